"""What each neuron did over training, from rows that were planted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from strobe.derive.neuron_history import rows
from tests.support.duck import cursor

STEPS = (0, 10, 20, 40)
HISTORIES: dict[tuple[int, int], list[tuple[int | None, float | None]]] = {
    (0, 0): [(3, 0.9), (5, 0.86), (5, 0.5), (5, 0.9)],
    (0, 1): [(3, 0.9), (3, 0.9), (3, 0.9), (3, 0.84)],
    (0, 2): [(None, None), (2, 0.2), (7, 0.95), (7, 0.85)],
    (1, 0): [(1, 0.9), (1, 0.9), (1, 0.9), (1, 0.9)],
    (1, 1): [(None, None)] * 4,
}
"""(layer, neuron) -> frequency and share at each step: two specialised ones, with a gap; one that ends below the
threshold; one that comes late; one from the start; one that never varies."""


def table(histories: dict[tuple[int, int], list[tuple[int | None, float | None]]]) -> Any:
    """A catalogue whose runs "r" has these neurons, and another one other neurons; in no order."""
    connection = cursor()
    connection.execute(
        "CREATE TEMP TABLE neurons "
        "(run VARCHAR, step BIGINT, layer SMALLINT, neuron INTEGER, frequency INTEGER, share DOUBLE)"
    )
    for (layer, neuron), history in reversed(histories.items()):
        for step, (frequency, share) in zip(STEPS, history, strict=True):
            for run, k in (("r", frequency), ("other", 9)):
                connection.execute(
                    "INSERT INTO neurons VALUES ($1, $2, $3, $4, $5, $6)", [run, step, layer, neuron, k, share]
                )
    return SimpleNamespace(query=lambda sql, values: connection.sql(sql, params=values).to_arrow_table())


def test_switches_final_frequency_and_commitment() -> None:
    found = {(row["layer"], row["neuron"]): row for row in rows(table(HISTORIES), "r")}
    words = "at the last step no frequency holds 0.85 of its variance"
    assert {key: tuple(row.values())[2:] for key, row in found.items()} == {
        (0, 0): (1, 5, 40, None),
        (0, 1): (0, None, None, words),
        (0, 2): (0, 7, 20, None),
        (1, 0): (0, 1, 0, None),
        (1, 1): (0, None, None, words),
    }


def test_another_history_gives_other_rows() -> None:
    """The check above can fail: one share less changes its neuron and no other."""
    changed = HISTORIES | {(0, 0): [(3, 0.9), (5, 0.84), (5, 0.9), (5, 0.9)]}
    before, after = rows(table(HISTORIES), "r"), rows(table(changed), "r")
    assert after[1:] == before[1:]
    assert (after[0]["switches"], after[0]["commitment_step"]) == (1, 20)


def test_without_rows_there_is_no_history() -> None:
    assert rows(table({}), "r") == []
