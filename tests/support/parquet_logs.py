"""Histories in Parquet, written here in their shapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.impostors import STEPS, none_of_it


class ParquetTable:
    """W&B's history as Parquet."""

    values = STEPS
    grows = False
    name = "export.parquet"

    def _table(self, steps: Sequence[int | None]) -> pa.Table:
        loss = [2.5 / (1 + place) for place in range(len(steps))]
        return pa.table({"_step": pa.array(steps, pa.int64()), "train/loss": loss, "note": ["x"] * len(steps)})

    def _write(self, folder: Path, steps: Sequence[int | None]) -> Path:
        path = folder / self.name
        # As they are, so that every value can be found among the bytes.
        pq.write_table(self._table(steps), path, compression="none", use_dictionary=False)
        return path

    def stage(self, folder: Path, number: int) -> Path:
        return self._write(folder, range(STEPS))

    def damaged(self, folder: Path) -> tuple[Path, dict[str, int]]:
        steps: list[int | None] = list(range(STEPS))
        steps[3], steps[5] = -4, None
        return self._write(folder, steps), {self.name: 2}

    def impostors(self, folder: Path) -> list[Path]:
        pq.write_table(pa.table({"name": ["a"], "age": [3]}), folder / "people.parquet")
        (folder / "cut.parquet").write_bytes(b"PAR1" + bytes(50))
        return [folder / "people.parquet", folder / "cut.parquet", *none_of_it(folder)]


class NeptuneParquet(ParquetTable):
    name = "neptune.parquet"

    def _table(self, steps: Sequence[int | None]) -> pa.Table:
        count = len(steps)
        return pa.table(
            {
                "project_id": ["team/project"] * (count + 1),
                "run_id": ["RUN-7"] * (count + 1),
                "attribute_path": ["train/loss"] * count + ["lr"],
                "attribute_type": ["float_series"] * count + ["float"],
                "step": pa.array([*steps, None], pa.decimal128(18, 6)),
                "timestamp": pa.array([1_700_000_000_000] * count + [None], pa.timestamp("ms", "UTC")),
                "float_value": [*(2.5 / (1 + place) for place in range(count)), 0.1],
            }
        )
