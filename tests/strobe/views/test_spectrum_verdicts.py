"""What is said of a spectrum: every verdict with its rule and its count, and where it cannot be told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from strobe.views.matrices import WeightMatrix
from strobe.views.run_view import Answer, RunView
from strobe.views.spectrum_verdicts import edge, tail

MATRIX = WeightMatrix("fcw", 0, (512, 128))
EDGE = {
    "beyond_edge": 3,
    "random_edge": 2.0,
    "random_sigma": 0.1,
    "random_ks": 0.02,
    "bulk_random": True,
    "note": None,
}
NO_EDGE = dict.fromkeys(EDGE) | {"note": "no bulk"}
TAIL = {"value": 2.5, "alpha": 2.5, "alpha_p": 0.4, "alpha_ks": 0.05, "alpha_n": 60, "note": None}
NO_LAW = TAIL | {"value": None, "alpha_p": 0.05}
NO_TAIL = dict.fromkeys(TAIL) | {"alpha_n": 49, "note": "not enough eigenvalues: 49, at least 50 are needed"}


def view_of(rows: list[dict[str, Any]]) -> RunView:
    """A run whose tables answer with these rows, one a hundred steps."""
    numbered = [{"step": 100 * k, "series": "alpha", **row} for k, row in enumerate(rows)]
    tables: Any = SimpleNamespace(key=("", ""), ask=lambda sql: Answer(sql, pa.Table.from_pylist(numbered)))
    return RunView(tables, "run", tuple(row["step"] for row in numbered))


@pytest.mark.parametrize(("rows", "said"), [
    ([EDGE, EDGE], "At step 100, 3 of 128 lie beyond it: more than these weights in random order explain. "
                   "The others pass for random entries at 2 of 2 snapshots."),
    ([EDGE | {"beyond_edge": 1}], "At step 0, 1 of 128 lies beyond it: more than"),
    ([EDGE | {"beyond_edge": 0}], "0 of 128 lie beyond it: no sign of structure."),
    ([EDGE | {"bulk_random": False, "random_ks": 0.21}], "3 of 128 lie beyond it, but the others are not spread as "
     "those of random entries (KS distance 0.21): what stands out from them cannot be told. The others pass for "
     "random entries at 0 of 1 snapshots."),
    ([EDGE, NO_EDGE], "At step 100 it cannot be told: no bulk. At step 0, 3 of 128 lie beyond it: more than these "
                      "weights in random order explain. The others pass for random entries at 1 of 2 snapshots."),
])  # fmt: skip
def test_what_lies_beyond_the_edge(rows: list[dict[str, Any]], said: str) -> None:
    words = edge(view_of(rows), MATRIX).words
    assert words.startswith("Edge: what the largest singular value of a random matrix with this bulk exceeds in 1%")
    assert said in words


def test_without_an_edge_the_reason_is_given() -> None:
    assert edge(view_of([NO_EDGE, NO_EDGE]), MATRIX).words == "No edge of random entries: no bulk."


@pytest.mark.parametrize(("rows", "said"), [
    ([NO_LAW, TAIL], "so at 1 of 2 snapshots. At step 100 it is not ruled out: alpha 2.5 (p = 0.40, KS distance "
                     "0.050, 60 eigenvalues)."),
    ([TAIL, NO_LAW], "At step 100 there is none (p = 0.050,"),
    ([TAIL | {"alpha_n": 20}], "At step 0 it cannot be told: so short a tail rules out little (p = 0.40,"),
])  # fmt: skip
def test_where_there_may_be_a_power_law(rows: list[dict[str, Any]], said: str) -> None:
    found = tail(view_of(rows), MATRIX)
    assert "No power law where p < 0.1: p is how often a true one fits no better, of 200 drawn" in found.words
    assert said in found.words
    assert found.drawn


def test_where_it_is_ruled_out_everywhere_nothing_is_drawn() -> None:
    found = tail(view_of([NO_LAW, NO_LAW]), MATRIX)
    assert not found.drawn
    assert "so at 2 of 2 snapshots" in found.words


def test_too_few_eigenvalues_are_a_reason() -> None:
    found = tail(view_of([NO_TAIL]), MATRIX)
    assert (found.drawn, found.words) == (False, "No exponent: not enough eigenvalues: 49, at least 50 are needed.")
