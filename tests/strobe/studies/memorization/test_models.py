"""A GPT-2 that Hugging Face's library wrote, as the model of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from etl.errors import StrobeError
from strobe.studies.memorization.experiment import begin
from strobe.studies.memorization.grammar import VOCABULARY
from strobe.studies.memorization.models import subject
from tests.support.small_study import measured, small_plan

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model and a tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("gpt2")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(VOCABULARY) + 1, n_positions=24, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    tokens = {word: token for token, word in enumerate([*VOCABULARY, "[unknown]"])}
    words = Tokenizer(models.WordLevel(tokens, unk_token="[unknown]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[unknown]")
    fast.save_pretrained(folder)
    return folder


def test_its_logits_are_those_of_the_library(written: Path) -> None:
    passages, make = subject(small_plan(model=str(written)))
    theirs: Any = transformers.GPT2LMHeadModel.from_pretrained(written).eval()
    tokens = torch.tensor([list(passages.tokens[0])])
    with torch.no_grad():
        ours = make(0)(tokens)
        ours = ours[0] if isinstance(ours, tuple) else ours
        torch.testing.assert_close(ours, theirs(tokens).logits, atol=1e-5, rtol=1e-5)


def test_a_study_of_it_is_measured_at_every_point(written: Path, tmp_path: Path) -> None:
    begin(tmp_path / "study", small_plan(model=str(written)), resume=False).run(lambda *_: None)
    rows = measured(tmp_path / "study")
    assert rows["epoch"].unique().to_pylist() == [1, 2, 4]
    assert len(rows) == 36


def test_what_does_not_fit_is_said(written: Path, tmp_path: Path) -> None:
    with pytest.raises(StrobeError, match="25 tokens; .* has 24 positions: give --tokens"):
        subject(small_plan(model=str(written), longest=25))
    with pytest.raises(StrobeError, match="at least 2, of at least 12"):
        subject(small_plan(model=str(written), longest=8))
    with pytest.raises(StrobeError, match="is no folder"):
        subject(small_plan(model=str(tmp_path / "nowhere")))
    with pytest.raises(StrobeError, match="holds no GPT-2 with its tokenizer"):
        subject(small_plan(model=str(tmp_path)))
    small = transformers.GPT2Config(vocab_size=5, n_positions=24, n_embd=4, n_layer=1, n_head=1, bos_token_id=0,
                                    eos_token_id=0)  # fmt: skip
    transformers.GPT2LMHeadModel(small).save_pretrained(tmp_path / "few")
    transformers.AutoTokenizer.from_pretrained(written).save_pretrained(tmp_path / "few")
    with pytest.raises(StrobeError, match="its tokenizer has a token .* its model 5 rows"):
        subject(small_plan(model=str(tmp_path / "few")))
