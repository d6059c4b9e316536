"""Greedy continuation with what was gone through before, beside one that computes everything again."""

from __future__ import annotations

import torch

from strobe.studies.memorization.continuing import continued
from strobe.studies.memorization.passages import made_up
from strobe.train.model import GPT, Past
from strobe.train.model_config import ModelConfig

CPU = torch.device("cpu")


@torch.no_grad()
def slowly(model: GPT, passage: list[int], given: int) -> list[int]:
    made = list(passage[:given])
    while len(made) < len(passage):
        made.append(int(model(torch.tensor([made]))[0, -1].argmax()))
    return made[given:]


def test_a_continuation_is_the_likeliest_token_after_all_before() -> None:
    passages = made_up(9, 40, 0)
    model = GPT(ModelConfig(2, 2, 16, 64, 40, passages.vocab_size, init_std=0.5), 1)
    given = [len(passage) // 3 for passage in passages.tokens]
    made = continued(model, passages.tokens, given, CPU)
    expected = [slowly(model, list(p), g) for p, g in zip(passages.tokens, given, strict=True)]
    assert made == expected
    assert len({tuple(some) for some in made}) > 1


@torch.no_grad()
def test_what_follows_a_past_is_what_follows_the_whole() -> None:
    model = GPT(ModelConfig(3, 2, 16, 64, 12, 11, init_std=0.3), 0)
    tokens, past = torch.randint(0, 11, (2, 12), generator=torch.Generator().manual_seed(0)), Past()
    parts = [model(tokens[:, :4], past=past), *(model(tokens[:, k : k + 1], past=past) for k in range(4, 12))]
    assert past.positions == 12
    torch.testing.assert_close(torch.cat(parts, 1), model(tokens), rtol=1e-4, atol=1e-5)
