"""What Neptune's exporter writes: one row a value of one attribute of one run; each run of a file is a run.

https://github.com/neptune-ai/neptune-exporter. Series of numbers are metrics, single values the config; files,
texts and histograms are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import StrobeError
from etl.ingest.reading.columns import ScalarColumns
from etl.ingest.reading.parquet_log import (
    ParquetLog,
    encoded,
    floats,
    moments,
    parquet_file,
    parquet_schema,
    plain,
    there,
)
from etl.ingest.source import About, Recording

_NEEDED = {"run_id", "attribute_path", "attribute_type", "step", "timestamp", "float_value"}
_SINGLE = {"int": "int_value", "float": "float_value", "string": "string_value", "bool": "bool_value"}


class NeptuneRun(ParquetLog):
    source = "neptune_parquet"

    def __init__(self, path: Path, key: str, files: Sequence[Path] = ()) -> None:
        super().__init__(path, files)
        self.run_key = key
        self._config: dict[str, Any] = {}

    def holds(self, file: Path) -> bool:
        return file in self.files

    @property
    def name(self) -> str:
        return self.run_key

    def columns(self, schema: pa.Schema) -> Sequence[str]:
        return [each for each in schema.names if each in {*_NEEDED, *_SINGLE.values()}]

    def take(self, batch: pa.RecordBatch, first: int, into: ScalarColumns) -> None:
        place, runs = encoded(batch["run_id"])
        mine = pa.array(np.isin(place, [at for at, run in enumerate(runs) if run == self.run_key]))
        self._settings(batch.filter(mine))
        series = pc.and_(mine, pc.equal(batch["attribute_type"], "float_series"))
        at = np.flatnonzero(pc.fill_null(series, False).to_numpy(zero_copy_only=False))
        rows = batch.take(pa.array(at))
        steps, value, time = self.steps(rows["step"], first), floats(rows["float_value"]), moments(rows["timestamp"])
        sound = there(rows["float_value"]) & (steps >= 0)
        code, names = encoded(rows["attribute_path"])
        for number, name in enumerate(names):
            chosen = sound & (code == number)
            into.add(name, steps[chosen], value[chosen], time=time[chosen])

    def _settings(self, rows: pa.RecordBatch) -> None:
        for kind, column in _SINGLE.items():
            if column in rows.schema.names:
                single = rows.filter(pc.fill_null(pc.equal(rows["attribute_type"], kind), False))
                self._config |= dict(zip(plain(single["attribute_path"]), plain(single[column]), strict=True))

    def about(self) -> About:
        if not self._config:
            for first, batch in self._batches():
                self.take(batch, first, ScalarColumns())
        return About(self.name, config=self._config)


def _runs(path: Path) -> list[str]:
    """The runs of a file; none for anything else."""
    if not set(parquet_schema(path).names) >= _NEEDED:
        return []
    runs: dict[str, None] = {}
    try:
        with parquet_file(path) as file:
            for batch in file.iter_batches(columns=["run_id"]):
                runs |= dict.fromkeys(run for run in encoded(batch["run_id"])[1] if run)
    except (StrobeError, pa.ArrowException, OSError):
        # Those that were named before the damage can be read.
        pass
    return list(runs)


class NeptuneFiles:
    def find(self, path: Path) -> Sequence[Recording]:
        """Those of a file; or of a folder of parts, where a run is in several of them."""
        if not path.is_dir():
            return [NeptuneRun(path, run) for run in _runs(path)]
        by_run: dict[str, list[Path]] = {}
        for file in sorted(path.glob("*.parquet")):
            for run in _runs(file):
                by_run.setdefault(run, []).append(file)
        parted = any(len(files) > 1 for files in by_run.values())
        return [NeptuneRun(path, run, files) for run, files in by_run.items()] if parted else []


SOURCE = NeptuneFiles()
