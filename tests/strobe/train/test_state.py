"""The state to resume from: what was damaged on disk is refused by name, and never trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from strobe.train.config import ConfigError, Training
from strobe.train.loop import make_optimizer
from strobe.train.model import GPT
from strobe.train.model_config import ModelConfig
from strobe.train.seal import SealError, seal, unseal
from strobe.train.state import read_state, restore, save_state

SIZES = ModelConfig(1, 2, 16, 32, block_size=3, vocab_size=8)
REMEDY = "put a copy of it back, or start anew in another folder"


def made(seed: int = 0) -> tuple[GPT, torch.optim.AdamW]:
    """A model and its optimizer after one update, so that the optimizer has something to save."""
    model = GPT(SIZES, seed)
    optimizer = make_optimizer(model, Training(steps=9))
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    optimizer.step()
    return model, optimizer


@pytest.fixture
def state(tmp_path: Path) -> Path:
    save_state(tmp_path, 7, *made(), {"training": {}})
    return tmp_path / "resume" / "state.pt"


def test_a_whole_state_is_taken_up_bit_for_bit(state: Path) -> None:
    (saved, _), (model, optimizer) = made(), made(1)
    assert restore(state.parents[1], model, optimizer) == 7
    assert all(torch.equal(a, b) for a, b in zip(saved.parameters(), model.parameters(), strict=True))
    assert read_state(state.parents[1])[1], "its checksum was there"


def test_no_flipped_bit_is_resumed_from(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At 64 places drawn at random, and at the first bit of each byte of the header."""
    whole, random, (model, optimizer) = state.read_bytes(), np.random.default_rng(0), made(1)
    before = [parameter.clone() for parameter in model.parameters()]
    places = [*random.integers(0, 8 * len(whole), 64), *range(0, 8 * 48, 8)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        state.write_bytes(damaged)
        with pytest.raises(ConfigError) as error:
            restore(state.parents[1], model, optimizer)
        said = str(error.value)
        assert said.startswith(f"{state}: is damaged: ")
        assert said.endswith(REMEDY)
        assert "\n" not in said
    assert caplog.messages == []
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("keep", [0, 1, 8, 47, 48, 49, 1000, -1])
def test_a_state_that_was_cut_off_or_grew_is_refused(state: Path, keep: int) -> None:
    whole = state.read_bytes()
    for damaged in (whole[:keep], whole + b"\0"):
        state.write_bytes(damaged)
        with pytest.raises(ConfigError, match="is damaged"):
            read_state(state.parents[1])


def test_a_state_of_before_is_taken_and_said_not_to_be_checked(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    state.write_bytes(state.read_bytes()[48:])
    model, optimizer = made(1)
    assert restore(state.parents[1], model, optimizer) == 7
    assert [f"{state}: has no checksum and was not checked" in line for line in caplog.messages] == [True]
    save_state(state.parents[1], 8, model, optimizer, {})
    assert read_state(state.parents[1])[1]


@pytest.mark.parametrize("content", [[1], {}, {"model": {}}, {"model": {}, "optimizer": 3}])
def test_a_state_of_something_else_is_refused(state: Path, content: object) -> None:
    torch.save(content, state)
    with pytest.raises(ConfigError, match="cannot be resumed from") as error:
        restore(state.parents[1], *made())
    assert str(error.value).endswith(REMEDY)


def test_a_seal_holds_the_bytes_and_nothing_else() -> None:
    payload = memoryview(b"some bytes")
    data = seal(payload) + payload
    assert unseal(data, unsealed_magic=b"PK") == (payload, True)
    assert unseal(b"PK" + payload, unsealed_magic=b"PK") == (b"PK" + payload, False)
    for damaged, said in (
        (data[:20], "cut off after 20 bytes"),
        (data[:-1], "has 9 bytes where 10 were written"),
        (b"X" + data[1:], "does not begin as"),
        (data[:-1] + b"X", "checksum does not fit"),
    ):
        with pytest.raises(SealError, match=said):
            unseal(damaged, unsealed_magic=b"PK")
