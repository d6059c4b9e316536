"""Every tensor's statistic as rows by steps: in which order they stand, and which of many are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.record import Recorder
from strobe.views.adam_rates import adam_rates
from strobe.views.run_view import Answer, CatalogueTables, RunView
from strobe.views.tensors import TensorSeries, statistic_sql, tensor_series


def series(*tensors: tuple[str, int | None]) -> TensorSeries:
    """One step of each tensor, by name and layer."""
    names, layers = zip(*tensors, strict=True)
    columns = {"tensor": list(names), "layer": pa.array(layers, pa.int16())}
    count = len(names)
    return tensor_series(Answer("", pa.table(columns | {"step": [0] * count, "value": [1.0] * count})))


def test_some_rows_alone_keep_what_they_have() -> None:
    rows = [("b", 0, 1.0), ("b", 5, 2.0), ("a", 5, 3.0), ("c", 0, 4.0)]
    columns = dict(zip(("tensor", "step", "value"), map(list, zip(*rows, strict=True)), strict=True))
    every = tensor_series(Answer("", pa.table({**columns, "layer": pa.array([None] * 4, pa.int16())})))
    some = every.of(["c", "b"])
    assert some.table().to_pylist() == [*every.table(["c"]).to_pylist(), *every.table(["b"]).to_pylist()]
    assert some.values[1].tolist() == [1.0, 2.0]
    assert every.of(every.rows) is every
    assert every.of([]).table().num_rows == 0


def adam_steps(folder: Path, training: dict[str, float], **rates: float) -> tuple[list[float | None], str]:
    """Adam's step of w at steps 0 and 7, and what is said of its rate; each of 16 weights is to move by 1.5 rates."""
    weights, m, v = np.ones(16, np.float32), np.zeros(1, np.float32), np.zeros(1, np.float32)
    tensors = [
        ("w", "params", ("u",), weights), ("m_l2.w", "optimizer", ("one",), m), ("v_l2.w", "optimizer", ("one",), v),
        *((f"lr.{name}", "optimizer", ("one",), np.array([rate])) for name, rate in rates.items()),
    ]  # fmt: skip
    with Recorder(folder / "run", tensors, training=training, when_full="wait") as recorder:
        recorder.snapshot(0)
        recorder.log(0, learning_rate=0.5)
        recorder.flush()
        # All 16 elements of m are 0.03, and of v 0.0004.
        m[:], v[:] = 0.03 * 4, 0.0004 * 4
        recorder.snapshot(7)
    ingest([folder / "run"], folder / "store")
    view = RunView(CatalogueTables(Store(folder / "store").current()), "run")
    rows = view.tables.ask(statistic_sql("run", "adam-step")).table.to_pylist()
    assert [row["step"] for row in rows] == [0, 7]
    return [row["value"] for row in rows], adam_rates(view)


def test_adams_step_is_that_of_alike_weights_with_the_rate_of_their_own_group(tmp_path: Path) -> None:
    values, said = adam_steps(tmp_path, {}, w=0.02)
    assert values == [None, pytest.approx(1.5 * 0.02, rel=1e-6)]
    assert said == "The learning rate is that of the tensor's own parameter group."


def test_one_rate_for_all_is_taken_where_the_settings_say_so(tmp_path: Path) -> None:
    values, said = adam_steps(tmp_path, {"learning_rate": 0.5})
    assert values == [None, pytest.approx(1.5 * 0.5, rel=1e-6)]
    assert "one for all tensors" in said


def test_where_no_rate_is_known_there_is_no_step(tmp_path: Path) -> None:
    assert adam_steps(tmp_path / "metric alone", {})[0] == [None, None]
    values, said = adam_steps(tmp_path / "of another", {"learning_rate": 0.5}, another=0.02)
    assert values == [None, None]
    assert said


def test_layers_stand_in_their_order_whether_in_the_name_or_beside_it() -> None:
    named = [(f"layers.{k}.mlp.weight", None) for k in (10, 2, 0, 1)]
    told = [("h.attn.weight", k) for k in (11, 3, 0)]
    assert series(*named, *told, ("wte", None)).rows == [
        "wte", "h.attn.weight.0", "h.attn.weight.3", "h.attn.weight.11", "layers.0.mlp.weight", "layers.1.mlp.weight",
        "layers.2.mlp.weight", "layers.10.mlp.weight",
    ]  # fmt: skip
