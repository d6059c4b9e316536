"""A column declared REAL: float32 in a part that it loses nothing of, float64 to every reader, whatever the parts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.ingest.load import ingest
from etl.run.layout import place
from etl.run.writer import SnapshotWriter
from etl.sql.sandbox import Sandbox
from etl.store.catalogue import Store
from etl.store.compact import compact
from etl.store.files import Files
from etl.store.narrow import fits_float32, narrowed
from etl.store.pointer import PartFile, Pointer, read_pointer, read_rows

TENSORS = {
    "plain": ("float32", [0.1, -0.2, 0.3, 0.0]),
    "large": ("float32", [3e38, 3e38, -3e38, 1.0]),
    "huge": ("float64", [1e300, -1e300, 0.0, 1.0]),
    "tiny": ("float64", [1e-310, -1e-310, 1e-310, 1e-310]),
    "beyond": ("float64", [1.7e308, 1.7e308, -1.7e308, 1.7e308]),
}
"""Name -> its dtype, and its values at step 1; at step 0 all are plain."""


def column(values: list[Any], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind or pa.float64())])


@pytest.fixture
def writer(tmp_path: Path) -> SnapshotWriter:
    tensors, size = place([
        {"name": f"params/{name}", "section": "params", "dims": ["channel"], "shape": [4], "dtype": dtype}
        for name, (dtype, _) in TENSORS.items()
    ])  # fmt: skip
    manifest = {
        "format": "strobe-snapshot", "version": 1, "model": {"family": "other"},
        "run": {"id": "extremes", "name": "extremes", "created_at": 1.7e9, "writer": "test"},
        "snapshot": {"bytes": size, "tensors": tensors},
    }  # fmt: skip
    (tmp_path / "extremes").mkdir()
    return SnapshotWriter(tmp_path / "extremes", manifest)


def write(writer: SnapshotWriter, step: int, names: set[str]) -> None:
    """A snapshot in which the tensors `names` have their own values, and the others those of "plain"."""
    plain = TENSORS["plain"][1]
    writer.write(step, {
        f"params/{name}": np.array(values if name in names else plain, dtype)
        for name, (dtype, values) in TENSORS.items()
    }, time=1.7e9)  # fmt: skip


@pytest.fixture
def store(writer: SnapshotWriter, tmp_path: Path) -> Path:
    """Two parts of `tensors`: one of plain values, one of extreme ones."""
    for step, names in ((0, set()), (1, set(TENSORS))):
        write(writer, step, names)
        ingest([writer.folder], tmp_path / "store")
    return tmp_path / "store"


def parts(store: Path) -> list[PartFile]:
    return read_pointer(Files(store), "extremes").tables["tensors"]


def rows_at(store: Path, step: int) -> dict[str, dict[str, Any]]:
    rows = Store(store).sql("SELECT * EXCLUDE (run) FROM tensors WHERE step = $1 ORDER BY tensor", [step]).to_pylist()
    return {row["tensor"]: row for row in rows}


@pytest.mark.parametrize("value", [3.4e38, 1.2e-38, 1.4e-45, -1e-40, 0.0, -0.0, math.nan, math.inf, -math.inf, None])
def test_what_float32_holds_fits(value: float | None) -> None:
    exact = float(np.float32(value)) if value is not None else None
    assert fits_float32(column([exact, 1.0]))


@pytest.mark.parametrize("value", [3.5e38, -1e300, 1e-46, 1e-310, 5e-324, 1.00001e-40])
def test_what_float32_would_lose_does_not(value: float) -> None:
    assert not fits_float32(column([1.0, value]))
    assert not fits_float32(column([[1.0], [2.0, value], None, []], pa.list_(pa.float64())))


@given(st.lists(st.floats() | st.none()))
def test_what_is_read_is_the_value_or_its_rounding(values: list[float | None]) -> None:
    rows = pa.table({"l2": column(values), "n": column(values)})
    kept = narrowed(rows, {"l2"})
    assert kept["n"].equals(rows["n"]) or any(value is not None and math.isnan(value) for value in values)
    for value, back in zip(values, kept["l2"].cast(pa.float64()).to_pylist(), strict=True):
        if value is None or not math.isfinite(value):
            assert str(back) == str(value)
        else:
            assert back is not None
            assert abs(back - value) <= 2.0**-24 * abs(value)
            assert (back == 0) == (value == 0)


def test_a_finite_tensor_has_no_infinite_statistic(store: Path) -> None:
    rows = rows_at(store, 1)
    root = math.sqrt(np.square(np.array([3e38, 3e38, 3e38, 1.0], np.float32).astype(float)).sum())
    assert rows["large"]["l2"] == pytest.approx(root, rel=1e-6)
    assert rows["large"]["l2"] > 3.5e38
    assert rows["huge"]["l2"] == pytest.approx(math.sqrt(2) * 1e300, rel=1e-15)
    assert rows["huge"]["std"] == pytest.approx(1e300 / math.sqrt(2), rel=1e-12)
    assert rows["tiny"]["l2"] == pytest.approx(2e-310, rel=1e-12)
    assert rows["tiny"]["zero_fraction"] == 0.0
    assert rows["tiny"]["min"] == -1e-310
    assert all(math.isfinite(v) for row in rows.values() for v in row.values() if isinstance(v, float))


def test_what_float64_cannot_hold_is_null_and_the_rest_stays(store: Path) -> None:
    row = rows_at(store, 1)["beyond"]
    assert (row["l2"], row["nonfinite"], row["abs_max"]) == (None, 0, 1.7e308)
    assert row["std"] == pytest.approx(1.7e308 * (math.sqrt(3) / 2), rel=1e-12)


def test_a_ratio_to_a_norm_beyond_float64_is_null(writer: SnapshotWriter, store: Path, tmp_path: Path) -> None:
    write(writer, 2, set())
    ingest([writer.folder], store)
    assert rows_at(store, 2)["beyond"]["update_ratio"] is None, "0 would say that nothing moved"
    assert rows_at(store, 2)["huge"]["update_ratio"] == pytest.approx(1.0)


def test_only_the_columns_that_need_it_are_wide(store: Path) -> None:
    plain, extreme = parts(store)
    assert plain.wide == ()
    assert set(extreme.wide) == {"l2", "mean", "std", "min", "max", "abs_max", "delta_l2", "update_ratio"}
    kinds = {part: Files(store).read_schema(part.file) for part in (plain, extreme)}
    assert (kinds[plain].field("l2").type, kinds[extreme].field("l2").type) == (pa.float32(), pa.float64())
    assert kinds[extreme].field("zero_fraction").type == pa.float32()


def test_every_reader_sees_the_same_whatever_the_parts(store: Path) -> None:
    sql = "SELECT tensor, step, l2, std, zero_fraction FROM tensors WHERE l2 > 1e-320 ORDER BY ALL"
    direct = Store(store).sql(sql)
    assert [direct.schema.field(name).type for name in ("l2", "std", "zero_fraction")] == [pa.float64()] * 3
    assert Sandbox(Store(store).current()).run(sql).table.to_pylist() == direct.to_pylist()
    before = read_rows(Files(store), read_pointer(Files(store), "extremes"), "tensors")
    assert compact(store, "extremes") > 0
    (merged,) = parts(store)
    assert "l2" in merged.wide
    assert Store(store).sql(sql).equals(direct)
    after = read_rows(Files(store), read_pointer(Files(store), "extremes"), "tensors")
    order = [("tensor", "ascending"), ("step", "ascending")]
    assert after.sort_by(order).equals(before.sort_by(order))


def test_a_filter_on_a_rounded_value_finds_it(store: Path) -> None:
    (row,) = [row for row in rows_at(store, 0).values() if row["tensor"] == "plain"]
    assert row["max"] == float(np.float32(0.3))
    assert row["std"] == float(np.float32(row["std"]))
    for where in ("max = 0.30000001192092896", "max > 0.3", "max >= 0.3", "NOT max <= 0.3"):
        sql = f"SELECT count(*) AS n FROM tensors WHERE step = 0 AND tensor = 'plain' AND {where}"
        assert Store(store).sql(sql).to_pylist() == Sandbox(Store(store).current()).run(sql).table.to_pylist() == [
            {"n": 1}
        ], where  # fmt: skip


def test_twice_is_once(writer: SnapshotWriter, store: Path) -> None:
    before = (store / "runs" / "extremes" / "_parts.json").read_bytes()
    (report,) = ingest([writer.folder], store)
    assert not report.changed
    assert (store / "runs" / "extremes" / "_parts.json").read_bytes() == before


def test_a_pointer_says_which_columns_are_wide_and_else_nothing(store: Path) -> None:
    pointer = read_pointer(Files(store), "extremes")
    assert Pointer.from_bytes(pointer.to_bytes(), "here", pointer.run) == pointer
    texts = [part.entry() for part in pointer.tables["tensors"]]
    assert ["wide" in text for text in texts] == [False, True]
