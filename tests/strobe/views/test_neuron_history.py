"""What is shown of neurons over training, from histories that were planted: no page, no snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from strobe.derive.neuron_history import rows
from strobe.views import neuron_history
from strobe.views.run_view import Answer, RunView
from tests.support.duck import cursor

STEPS = (0, 100, 200, 300)
History = Sequence[tuple[int | None, float | None]]
UNSPECIALISED: History = [(2, 0.2)] * 4
ONE_SWITCH: History = [(3, 0.9), (5, 0.9), (5, 0.85), (5, 0.9)]
FALLS_BACK: History = [(3, 0.1), (3, 0.9), (3, 0.9), (3, 0.84)]
FROM_THE_START: History = [(7, 0.9)] * 4
AT_THE_END: History = [(7, 0.2), (7, 0.2), (7, 0.2), (7, 0.86)]
UNVARYING: History = [(None, None)] * 4
EVERY = (UNSPECIALISED, ONE_SWITCH, FALLS_BACK, FROM_THE_START, AT_THE_END)

Layer = tuple[int, int, int, float | None, float | None, float | None]
"""step, layer, neurons that vary, mean, blob, plaid."""


class Planted:
    """The tables of a store in which the run "r" has these rows, and the run "other" those of one committed blob."""

    key = ("planted", "1")

    def __init__(self, histories: Sequence[History] = (), layers: Sequence[Layer] = ()) -> None:
        self.connection = cursor()
        self.connection.execute("""
CREATE TEMP TABLE neurons (run VARCHAR, step BIGINT, layer SMALLINT, neuron INTEGER, frequency INTEGER, share DOUBLE);
CREATE TEMP TABLE neuron_history (run VARCHAR, layer SMALLINT, neuron INTEGER, switches BIGINT,
  final_frequency INTEGER, commitment_step BIGINT, note VARCHAR);
CREATE TEMP TABLE coarseness (run VARCHAR, step BIGINT, layer SMALLINT, neurons BIGINT, mean DOUBLE,
  blob DOUBLE, plaid DOUBLE)""")
        self._plant("r", histories, layers)
        self._plant("other", [FROM_THE_START], [(0, 0, 1, 0.9, 1.0, 0.0)])

    def _plant(self, run: str, histories: Sequence[History], layers: Sequence[Layer]) -> None:
        shares = [(run, step, 0, k, *at) for k, h in enumerate(histories) for step, at in zip(STEPS, h, strict=True)]
        self._insert("neurons", shares)
        catalogue: Any = SimpleNamespace(query=self._rows)
        self._insert("neuron_history", [(run, *row.values()) for row in rows(catalogue, run)])
        self._insert("coarseness", [(run, *layer) for layer in layers])

    def _insert(self, table: str, values: Sequence[Sequence[Any]]) -> None:
        for row in values:
            self.connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", list(row))

    def _rows(self, sql: str, values: Sequence[object] = ()) -> Any:
        return self.connection.sql(sql, params=list(values)).to_arrow_table()

    def ask(self, sql: str) -> Answer:
        return Answer(sql, self._rows(sql))

    def run(self, run: str) -> Any:
        raise AssertionError(f"the view needs no snapshots of {run}")


def view(histories: Sequence[History] = (), layers: Sequence[Layer] = ()) -> RunView:
    return RunView(Planted(histories, layers), "r", STEPS)


def lines(answer: Answer) -> dict[str, list[tuple[int, float]]]:
    made: dict[str, list[tuple[int, float]]] = {}
    for row in answer.table.to_pylist():
        made.setdefault(row["series"], []).append((row["step"], row["value"]))
    return made


def test_neurons_are_counted_from_where_each_keeps_its_final_frequency() -> None:
    of_all = view(EVERY)
    history = neuron_history.commitment(of_all)
    assert (history.neurons, history.steps.tolist(), history.switches) == (5, [0, 100, 300], {0: 4, 1: 1})
    assert history.reason == ""
    assert lines(neuron_history.committed(of_all)) == {
        "committed": [(0, 1), (100, 2), (200, 2), (300, 3)],
        "specialised": [(0, 2), (100, 3), (200, 3), (300, 3)],
    }


def test_the_counts_are_said_in_a_sentence() -> None:
    history = neuron_history.commitment(view(EVERY))
    assert history.sentence() == (
        "3 of 5 neurons committed, the first at step 0, half of them by step 100; "
        "1 switched frequency after it had specialised."
    )
    assert history.switch_words() == "Switches: 1 once."


@pytest.mark.parametrize(
    ("histories", "sentence"),
    [
        ([FROM_THE_START] * 2, "2 of 2 neurons committed, all from step 0; none switched"),
        ([AT_THE_END, UNVARYING], "1 of 2 neurons committed, from step 300; none switched"),
        ([FROM_THE_START, AT_THE_END], "2 of 2 neurons committed, the first at step 0, half of them by step 0; none"),
        ([UNSPECIALISED, FALLS_BACK], "None of 2 neurons is committed to a frequency at the end; none switched"),
        ([ONE_SWITCH] * 2, "2 of 2 neurons committed, all from step 100; 2 switched frequency after they had"),
    ],
)
def test_all_one_and_none_have_their_words(histories: Sequence[History], sentence: str) -> None:
    assert neuron_history.commitment(view(histories)).sentence().startswith(sentence)


def test_switches_are_counted_by_neuron() -> None:
    twice: History = [(3, 0.9), (5, 0.9), (3, 0.9), (3, 0.9)]
    thrice: History = [(3, 0.9), (5, 0.9), (3, 0.9), (5, 0.9)]
    history = neuron_history.commitment(view([UNSPECIALISED, ONE_SWITCH, ONE_SWITCH, twice, thrice]))
    assert history.switches == {0: 1, 1: 2, 2: 1, 3: 1}
    assert history.switch_words() == "Switches: 2 once, 1 twice, 1 three times or more."
    assert "; 4 switched frequency after they had specialised." in history.sentence()


def test_none_committed_is_drawn_as_none() -> None:
    of_none = view([UNSPECIALISED, UNVARYING])
    assert lines(neuron_history.committed(of_none)) == {
        "committed": [(step, 0) for step in STEPS], "specialised": [(step, 0) for step in STEPS],
    }  # fmt: skip
    assert neuron_history.commitment(of_none).switch_words() == ""


def test_without_rows_both_say_that_they_are_not_analysed_yet() -> None:
    empty = view()
    history, coarse = neuron_history.commitment(empty), neuron_history.coarseness(empty)
    assert history.sentence() == history.reason == "Not analysed yet."
    assert coarse.sentence() == coarse.reason == "Not analysed yet."
    assert not neuron_history.committed(empty).table.num_rows
    assert not coarse.answer.table.num_rows


def test_coarseness_is_told_by_layer_and_over_all_neurons() -> None:
    layers = [(0, 0, 4, 0.8, 0.75, 0.25), (0, 1, 2, 0.2, 0.0, 1.0), (300, 0, 4, 0.1, 0.0, 1.0),
              (300, 1, 1, 0.6, 0.0, 0.0)]  # fmt: skip
    coarse = neuron_history.coarseness(view(layers=layers))
    assert (list(coarse.layers), coarse.of, coarse.sampled) == ([0, 1], 2, "")
    assert lines(coarse.answer) == {
        "blob 0": [(0, 0.75), (300, 0)], "mean 0": [(0, 0.8), (300, 0.1)], "plaid 0": [(0, 0.25), (300, 1)],
        "blob 1": [(0, 0), (300, 0)], "mean 1": [(0, 0.2), (300, 0.6)], "plaid 1": [(0, 1), (300, 0)],
    }  # fmt: skip
    assert coarse.sentence() == (
        "0 of 5 neurons are blobs and 4 are plaid at step 300; mean coarseness 0.20 (0.60 at step 0)."
    )
    assert coarse.over_layers.table.to_pylist()[0] == {
        "step": 0, "neurons": 6, "blob": 3, "plaid": 3, "mean": pytest.approx(0.6),
    }  # fmt: skip


def test_what_does_not_vary_has_no_coarseness() -> None:
    """A snapshot without a neuron that varies is left out; where all are, that is the reason."""
    still: Layer = (0, 0, 0, None, None, None)
    coarse = neuron_history.coarseness(view(layers=[still]))
    assert coarse.reason == coarse.sentence() == neuron_history.UNVARYING
    later = neuron_history.coarseness(view(layers=[still, (100, 0, 2, 0.7, 1.0, 0.0)]))
    assert later.reason == ""
    assert lines(later.answer) == {"blob 0": [(100, 1)], "mean 0": [(100, 0.7)], "plaid 0": [(100, 0)]}
    assert later.sentence().startswith("2 of 2 neurons are blobs and 0 are plaid at step 100; mean coarseness 0.70 (")


def test_of_many_layers_some_are_drawn_and_that_is_said() -> None:
    most = neuron_history.MOST_LAYERS
    whole = neuron_history.coarseness(view(layers=[(0, k, 1, 0.9, 1.0, 0.0) for k in range(most)]))
    assert (len(whole.layers), whole.sampled) == (most, "")
    some = neuron_history.coarseness(view(layers=[(0, k, 1, 0.9, 1.0, 0.0) for k in range(most + 1)]))
    assert (len(some.layers), some.layers[0], some.layers[-1]) == (most, 0, most)
    assert some.sampled == f"Drawn: {most} of {most + 1} layers, evenly spaced."
    assert len(lines(some.answer)) == 3 * (most + 1)
