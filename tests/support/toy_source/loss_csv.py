"""A CSV whose first line is "step,loss": a whole source, as small as one can be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etl.ingest.lines import LineLog, begins_with, first_line
from etl.ingest.scalars import scalar_table, step_number
from etl.ingest.source import Loss, Recording, Scalars, State


class LossCsv(Recording):
    source = "loss_csv"

    def resumes(self, state: State) -> bool:
        return begins_with(self.path, state)

    def scalars(self, since: State) -> Scalars:
        log, rows, lost = LineLog(self.path, since), [], []
        for line in log:
            step, _, loss = line.text.partition(",")
            try:
                if line.number > 1:
                    rows.append({"step": step_number(step), "train_loss": float(loss)})
            except ValueError as error:
                lost.append(Loss(self.path.name, str(error), line.number))
        return Scalars(scalar_table(rows), log.state, lost, log.torn)


class LossCsvFiles:
    def find(self, path: Path) -> Sequence[Recording]:
        return [LossCsv(path)] if first_line(path) == "step,loss" else []


SOURCE = LossCsvFiles()
