"""What a model writes at a snapshot: the same where it is the same, and without touching the dice of its training."""

from __future__ import annotations

import torch

from strobe.train.model import GPT, ModelConfig
from strobe.train.samples import Samples


def model() -> GPT:
    return GPT(ModelConfig(n_layer=1, n_head=2, n_embd=16, mlp_width=32, block_size=12, vocab_size=7), 0)


def test_the_same_model_writes_the_same_and_the_training_s_dice_stay() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one = Samples(model(), torch.tensor([[1, 2], [3, 4]]), 12)
    assert one().shape == one.shape == (2, 12)
    assert torch.equal(one(), one())
    assert one()[:, :2].tolist() == [[1, 2], [3, 4]]
    assert torch.equal(torch.get_rng_state(), before)


def test_a_token_is_drawn_as_often_as_the_model_predicts_it() -> None:
    made = model()
    given = torch.tensor([[1, 2]]).repeat(4_000, 1)
    drawn = Samples(made, given, 3)()[:, 2]
    with torch.no_grad():
        odds = torch.softmax(made(given[:1])[0, -1], -1)
    shares = torch.bincount(drawn.long(), minlength=7) / len(drawn)
    torch.testing.assert_close(shares, odds, atol=0.03, rtol=0)


def test_what_is_kept_of_the_positions_before_changes_nothing() -> None:
    # Each token is the one that the whole sequence before it gives by the same dice.
    made = model()
    tokens = Samples(made, torch.tensor([[1, 2]]), 12)()
    dice = torch.Generator().manual_seed(7)
    for place in range(2, 12):
        with torch.no_grad():
            odds = torch.softmax(made(tokens[:, :place].long())[:, -1], -1)
        assert torch.multinomial(odds, 1, generator=dice).item() == tokens[0, place]


def test_a_model_that_has_diverged_writes_token_0() -> None:
    made = model()
    with torch.no_grad():
        made.wte.fill_(torch.nan)
    assert Samples(made, torch.tensor([[1, 2]]), 6)().tolist() == [[1, 2, 0, 0, 0, 0]]
