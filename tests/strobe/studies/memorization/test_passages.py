"""Made-up passages, and what of them the loss sees."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from etl.errors import StrobeError
from strobe.studies.memorization.grammar import VOCABULARY, Grammar, prose
from strobe.studies.memorization.passages import made_up, words_of
from strobe.studies.memorization.task import NO_TARGET, PassagesTask, padded
from strobe.train.model import GPT
from strobe.train.model_config import ModelConfig

CPU = torch.device("cpu")


def small_model(vocabulary: int, block: int = 64) -> GPT:
    return GPT(ModelConfig(2, 2, 16, 64, block, vocabulary), 0)


def test_passages_are_of_one_kind_and_have_no_sentence_in_common() -> None:
    passages = words_of(40, 60, seed=3)
    assert {word for words in passages for word in words} <= set(VOCABULARY)
    assert all(45 <= len(words) <= 60 for words in passages)
    sentences = [
        {" ".join(group) for stop, group in itertools.groupby(words, ".".__eq__) if not stop} for words in passages
    ]
    whole = [
        list(some)[:-1] if words[-1] != "." else list(some) for some, words in zip(sentences, passages, strict=True)
    ]
    for first, second in itertools.combinations(whole, 2):
        assert not set(first) & set(second)


def test_a_seed_gives_the_same_passages_and_another_others() -> None:
    assert words_of(4, 30, 1) == words_of(4, 30, 1) != words_of(4, 30, 2)
    assert prose(Grammar(0).passage(80)).count(" .") == 0


def test_half_are_trained_on() -> None:
    passages = made_up(7, 24, 0)
    assert (len(passages.tokens), passages.trained) == (7, 3)
    assert passages.text(passages.tokens[0]).split()[0] in VOCABULARY
    with pytest.raises(StrobeError, match="give at least 2, of at least 12"):
        made_up(7, 5, 0)


def test_every_epoch_has_every_trained_passage_once_in_another_order() -> None:
    task = PassagesTask(made_up(20, 24, 0), batch_size=3, seed=5, device=CPU)
    assert task.steps_per_epoch == 4
    epochs = [[n for place in range(4) for n in task.chosen(epoch * 4 + place)] for epoch in range(3)]
    assert all(sorted(order) == list(range(10)) for order in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert task.chosen(5) == task.chosen(5)


def test_targets_are_the_next_tokens_and_nothing_behind() -> None:
    tokens, targets = padded([[5, 6, 7], [8]], CPU)
    assert tokens.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert targets.tolist() == [[6, 7, NO_TARGET], [NO_TARGET] * 3]


def test_padding_is_never_in_the_loss() -> None:
    passages = made_up(8, 40, 0)
    task = PassagesTask(passages, batch_size=4, seed=0, device=CPU)
    model = small_model(passages.vocab_size)
    tokens, targets = task.batch(0)
    padding = tokens.clone()
    lengths = [len(passages.tokens[number]) for number in task.chosen(0)]
    assert len(set(lengths)) > 1
    for row, length in enumerate(lengths):
        padding[row, length:] = 7
    whole = task.loss(model, tokens, targets)
    assert float(task.loss(model, padding, targets).detach()) == float(whole.detach())
    alone = [
        task.loss(model, *padded([passages.tokens[number]], CPU)).detach() * (length - 1)
        for number, length in zip(task.chosen(0), lengths, strict=True)
    ]
    assert float(whole.detach()) == pytest.approx(float(sum(alone)) / sum(length - 1 for length in lengths), rel=1e-5)


def test_the_padding_of_a_batch_moves_no_gradient() -> None:
    passages = made_up(8, 40, 0)
    task = PassagesTask(passages, batch_size=4, seed=0, device=CPU)
    model = small_model(passages.vocab_size)
    tokens, targets = task.batch(0)
    task.loss(model, tokens, targets).backward()
    positions = model.get_parameter("wpe").grad
    assert positions is not None
    # The last token of the longest passage is a target and no input.
    longest = max(len(passages.tokens[number]) for number in task.chosen(0))
    assert np.flatnonzero(positions.abs().sum(1).numpy() > 0).max() == longest - 2
