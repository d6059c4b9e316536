"""A memorization study as it is looked at: its measures over epochs, its tests, and what both come to in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from strobe.analysis.memorization.findings import FOUND, Measures
from strobe.analysis.memorization.reproduction import onsets
from strobe.derive.findings import measures_of
from strobe.views.run_view import Answer, RunView, literal

Floats = npt.NDArray[Any]
TABLES: Final = ("passages", "compression", "findings")
GROUPS: Final = ("trained", "novel")
NONE: Final = (
    "No memorization study is in the store. `strobe study memorization --mode quick` makes one in some minutes and "
    "brings it here."
)


@dataclass(frozen=True)
class Study:
    """Of one run. `steps` are the updates at each of the `measures.epochs`."""

    run: str
    measures: Measures
    steps: Sequence[int]
    findings: Sequence[dict[str, Any]]
    """The rows of `findings`, as they are stored."""
    answers: Sequence[Answer]

    @property
    def epochs(self) -> list[int]:
        """Those that were measured, ascending."""
        return list(self.measures.epochs)

    @property
    def layers(self) -> int:
        """Those that have a compression score: one less than the model has."""
        return int(self.measures.compression.shape[1])

    def group(self, name: str) -> npt.NDArray[np.bool_]:
        """Which passages (P,) belong to "trained" or "novel"."""
        return self.measures.trained if name == "trained" else ~self.measures.trained

    def accuracy(self, name: str) -> Floats:
        """(E,): the mean of a group."""
        return np.asarray(self.measures.accuracy[:, self.group(name)].mean(1))

    def chance(self, name: str) -> Floats:
        """(E,): the mean accuracy of a group's continuations beside other passages."""
        return np.asarray(self.measures.chance[:, self.group(name)].mean(1))

    def memorized(self, name: str) -> npt.NDArray[np.int64]:
        """(E,): how many of a group are."""
        return np.asarray(self.measures.memorized[:, self.group(name)].sum(1))

    def compression(self, name: str) -> Floats:
        """(E, L): the mean of a group, nats."""
        return np.asarray(self.measures.compression[:, :, self.group(name)].mean(2))

    def separation(self) -> Floats:
        """(L, E): how far the groups differ in compression, Hedges' g as the findings have it; NaN where that cannot
        be told."""
        effects = [row["effect"] for row in self.of("separation")]
        values = np.array([np.nan if effect is None else effect for effect in effects], np.float64)
        return values.reshape(len(self.epochs), self.layers).T

    def of(self, analysis: str) -> list[dict[str, Any]]:
        """The findings of one analysis."""
        return [row for row in self.findings if row["analysis"] == analysis]

    @property
    def tests(self) -> int:
        """How many tests were made and corrected together."""
        return int(self.findings[0]["tests"]) if self.findings else 0

    @property
    def survived(self) -> list[dict[str, Any]]:
        """The tests that count after correction."""
        return [row for row in self.findings if row["verdict"] == FOUND]

    @property
    def best_layer(self) -> int:
        """The layer that was chosen as the one in which the groups differ most; 0 where none was."""
        subject = next((row["subject"] for row in self.of("best layer")), "")
        number = subject.removeprefix("layer ").partition(",")[0]
        return int(number) if number.isdigit() else 0


def study(view: RunView) -> Study | None:
    """The study of a run; None where its tables have no rows of it."""
    told, scores, tests = (view.tables.ask(sql) for sql in queries(view.run))
    if not told.table.num_rows:
        return None
    steps = dict(zip(told.table["epoch"].to_pylist(), told.table["step"].to_pylist(), strict=True))
    measures = measures_of(told.table, scores.table)
    return Study(
        view.run, measures, [steps[epoch] for epoch in measures.epochs], tests.table.to_pylist(),
        (told, scores, tests),
    )  # fmt: skip


def queries(run: str) -> tuple[str, str, str]:
    """What a study is made of: passages, compression, findings."""
    return (
        "SELECT epoch, step, passage, split, accuracy, chance, memorized, edit_distance, perplexity FROM passages\n"
        f"WHERE run = {literal(run)} ORDER BY epoch, passage",
        f"SELECT epoch, layer, passage, score FROM compression\nWHERE run = {literal(run)} "
        "ORDER BY epoch, layer, passage",
        "SELECT analysis, subject, unit, statistic, effect, low, high, p, p_corrected, tests, verdict, note\n"
        f"FROM findings WHERE run = {literal(run)}",
    )


def studies(view: RunView) -> list[str]:
    """The runs of the store that are studies, by name; asked of the tables that the view has."""
    return [row["run"] for row in view.rows("SELECT DISTINCT run FROM passages ORDER BY run")]


@dataclass(frozen=True)
class Passage:
    """One passage over the epochs: a row of `passages` for each, with its texts."""

    number: int
    rows: Sequence[dict[str, Any]]
    answer: Answer

    @property
    def split(self) -> str:
        """Its group."""
        return str(self.rows[0]["split"])

    def at(self, epoch: int) -> dict[str, Any]:
        """The row of an epoch that was measured."""
        return next(row for row in self.rows if row["epoch"] == epoch)


def passage(view: RunView, number: int) -> Passage | None:
    """A passage with its texts; None where the run has none of this number."""
    answer = view.tables.ask(
        "SELECT epoch, step, split, accuracy, exact_matches, tokens, edit_distance, perplexity, memorized, chance,\n"
        f"  prompt, target, continuation FROM passages WHERE run = {literal(view.run)} AND passage = {number:d}\n"
        "ORDER BY epoch"
    )
    return Passage(number, answer.table.to_pylist(), answer) if answer.table.num_rows else None


def passage_names(shown: Study) -> dict[str, str]:
    """Number -> what a passage is called in a list: its group, and since when it is memorized."""
    first, forgotten = onsets(shown.epochs, shown.measures.memorized.T)
    names = {}
    for number, (at, lost) in enumerate(zip(first, forgotten, strict=True)):
        since = "never memorized" if at is None else f"memorized at epoch {at}"
        again = f", forgotten at {lost}" if lost is not None else ""
        group = "trained" if shown.measures.trained[number] else "novel"
        names[str(number)] = f"{number}: {group}, {since}{again}"
    return names


def summary(shown: Study) -> pa.Table:
    """A row an epoch and group: passages, accuracy, chance, memorized, and the mean compression of each layer."""
    rows = []
    for k, epoch in enumerate(shown.epochs):
        for name in GROUPS:
            rows.append({
                "epoch": epoch, "step": shown.steps[k], "split": name, "passages": int(shown.group(name).sum()),
                "accuracy": float(shown.accuracy(name)[k]), "chance": float(shown.chance(name)[k]),
                "memorized": int(shown.memorized(name)[k]),
                **{f"compression_{layer}": float(shown.compression(name)[k, layer]) for layer in range(shown.layers)},
            })  # fmt: skip
    return pa.Table.from_pylist(rows)
