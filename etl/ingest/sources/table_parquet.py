"""Any table in Parquet whose columns say by their names what they are, as W&B's exported history does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from etl.ingest.mapping import FieldMapping, Given, guessed, remembered
from etl.ingest.reading.columns import ScalarColumns
from etl.ingest.reading.parquet_log import ParquetLog, floats, is_number, moments, parquet_schema, there
from etl.ingest.source import Recording, Scalars, State


class TableParquet(ParquetLog):
    source = "table_parquet"

    def __init__(self, path: Path, mapping: FieldMapping, *, told: bool = False) -> None:
        super().__init__(path)
        self._mapping, self._told = mapping, mapping if told else None

    @property
    def said(self) -> str:
        return self._mapping.said()

    def scalars(self, since: State) -> Scalars:
        memory = dict(since.get("memory", {}))
        before = memory.get("told")
        kept = remembered(self._told, memory)
        if kept is not None and kept.step in parquet_schema(self.path).names:
            self._mapping = kept
        if memory.get("told") == before:
            read = super().scalars(since)
        else:
            read = replace(super().scalars({**since, "mark": None}), whole=bool(since.get("mark")))
        return replace(read, resume_from={**read.resume_from, "memory": memory}) if memory else read

    def columns(self, schema: pa.Schema) -> Sequence[str]:
        mapping = self._mapping
        about = (mapping.step, mapping.time, mapping.epoch, mapping.tokens)
        return [each.name for each in schema if is_number(each.type) or each.name in about]

    def take(self, batch: pa.RecordBatch, first: int, into: ScalarColumns) -> None:
        mapping = self._mapping
        steps = self.steps(batch[mapping.step], first)
        unknown = np.full(len(steps), np.nan)
        time = moments(batch[mapping.time]) if mapping.time else unknown
        epoch, tokens = (floats(batch[each]) if each else unknown for each in (mapping.epoch, mapping.tokens))
        for name in batch.schema.names:
            if not (metric := mapping.metric(name)) or not is_number(batch[name].type):
                continue
            at = there(batch[name]) & (steps >= 0)
            value = floats(batch[name])[at]
            into.add(metric, steps[at], value, time=time[at], epoch=epoch[at], tokens=tokens[at])


def _mapping(path: Path) -> FieldMapping | None:
    schema = parquet_schema(path)
    found = guessed(schema.names)
    if found is None or not is_number(schema.field(found.step).type):
        return None
    return FieldMapping(
        found.step, found.time, found.epoch, found.tokens, {"_runtime": ""} if found.step == "_step" else {}
    )


class TableParquets:
    def find(self, path: Path) -> Sequence[Recording]:
        mapping = _mapping(path)
        return [TableParquet(path, mapping)] if mapping else []

    def fields(self, path: Path) -> Sequence[str]:
        return list(parquet_schema(path).names)

    def told(self, path: Path, given: Given) -> Sequence[Recording]:
        names = parquet_schema(path).names
        mapping = given.over(names) if names else None
        return [TableParquet(path, mapping, told=True)] if mapping else []


SOURCE = TableParquets()
