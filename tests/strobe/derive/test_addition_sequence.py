"""How a run writes a sum: other orders, other numbers of tokens, another "=", and what cannot be made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from strobe.derive.addition_sequence import inputs_of
from strobe.derive.recorded_run import NotApplicableError
from tests.support.adding import P, logits, model_of, record, weights

ROW = 3 * P + 1
"""Of 3 + 1."""


@pytest.mark.parametrize(
    ("task", "tokens"),
    [
        ({}, [3, 1, 5]),
        ({"equals_token": 6}, [3, 1, 6]),
        ({"sequence": ["a", "b"]}, [3, 1]),
        ({"sequence": ["b", "a", "="]}, [1, 3, 5]),
        ({"sequence": ["=", "b", "a"], "equals_token": 6}, [6, 1, 3]),
        ({"sequence": ["a", "+", "b", "="], "token_names": [*"01234", "=", "+"]}, [3, 6, 1, 5]),
        ({"sequence": [6, "a", "b", "="]}, [6, 3, 1, 5]),
    ],
)
def test_the_logits_are_those_of_the_sequence_that_the_run_declares(
    tmp_path: Path, task: dict, tokens: list[int]
) -> None:
    params = weights()
    model = model_of(record(tmp_path / "run", params, task=task))
    model.check()
    assert model.inputs.shape == (P * P, len(tokens))
    assert model.inputs[ROW].tolist() == tokens
    expected = logits(params, tokens)
    np.testing.assert_allclose(model.forward(40).logits[ROW], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ({"sequence": "a b ="}, "task.sequence is 'a b ='"),
        ({"sequence": ["a", "="]}, "not a list with one 'a' and one 'b'"),
        ({"sequence": ["a", "a", "b"]}, "not a list with one 'a' and one 'b'"),
        ({"sequence": ["a", "+", "b"]}, "holds '\\+', which is neither"),
        ({"sequence": ["a", "+", "b"], "token_names": ["+", "+"]}, "holds '\\+', which is neither"),
        ({"sequence": ["a", "b", 1.5]}, "an entry of task.sequence is 1.5"),
        ({"sequence": ["a", "b", True]}, "an entry of task.sequence is True"),
        ({"sequence": ["a", "b", ["a"]]}, "an entry of task.sequence is \\['a'\\]"),
        ({"equals_token": -1}, "task.equals_token is -1"),
        ({"equals_token": "="}, "task.equals_token is '='"),
    ],
)
def test_a_sequence_that_cannot_be_made_is_refused_by_name(task: dict, reason: str) -> None:
    with pytest.raises(NotApplicableError, match=reason):
        inputs_of(task, P)
