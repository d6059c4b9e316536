"""What leaves a panel as a file is what was recorded, to the last bit of its type, never what the canvas draws."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strobe
from etl.store.catalogue import Store
from strobe.analysis.projection import principal_axes, project
from strobe.charts import export
from strobe.derive.addition import AdditionModel
from strobe.derive.recorded_run import RecordedRun
from strobe.rows import csv_bytes
from strobe.views.run_view import CatalogueTables, RunView, snapshot_steps
from tests.support.effort import tries
from tests.support.inside import NO_STORE, opened
from tests.support.places import ROOT

STEP = 13200

Read = Callable[..., dict[str, np.ndarray]]


def parsed(text: bytes) -> dict[str, np.ndarray]:
    """The columns of a CSV: numbers where all of a column are."""
    names, *rows = csv.reader(io.StringIO(text.decode()))
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return {name: _numbers(column) for name, column in columns.items()}


def _numbers(column: tuple[str, ...]) -> np.ndarray:
    try:
        return np.array([float(text) if text else np.nan for text in column])
    except ValueError:
        return np.array(column)


@pytest.fixture(scope="module")
def view() -> RunView:
    tables = CatalogueTables(Store(ROOT / "examples").current(), "examples")
    return RunView(tables, "grok-p97", snapshot_steps(tables, "grok-p97"))


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Read:
    """The CSV of a panel of the embedded run, with the cursor at STEP."""
    made: dict[str, Any] = {}
    monkeypatch.setattr(
        "strobe.ui.panel.panel.tools", lambda key, text, sql, table, figure: made.update({key: table})
    )

    def read(page: str, key: str, **query: Any) -> dict[str, np.ndarray]:
        opened(page, monkeypatch, NO_STORE, step=str(STEP), **query)
        return parsed(export.csv(made[key]()))

    return read


def snapshot(view: RunView) -> Any:
    run = view.snapshots()
    assert run is not None
    return run.at(STEP)


def test_attention_is_the_mean_that_was_recorded(files: Read, view: RunView) -> None:
    read = files("attention", "attention")
    mean = np.array(snapshot(view)["attention/att"], np.float32).mean(axis=1)
    at = tuple(read[name].astype(int) for name in ("layer", "head", "query", "key"))
    np.testing.assert_array_equal(read["weight"].astype(np.float32), mean[at])
    assert len(read["weight"]) == mean.shape[0] * mean.shape[1] * 6, "nothing but later tokens is left out"
    assert set(read["step"]) == {STEP}


def test_one_probe_sequence_is_itself(files: Read, view: RunView) -> None:
    read = files("attention", "attention", probe="2")
    own = np.array(snapshot(view)["attention/att"])[:, 2]
    at = tuple(read[name].astype(int) for name in ("layer", "head", "query", "key"))
    np.testing.assert_array_equal(read["weight"].astype(np.float32), own[at])


@pytest.mark.parametrize(("matrix", "name", "layer"), [("fcw.0", "fcw", 0), ("wte", "wte", None)])
def test_every_weight_of_a_matrix(files: Read, view: RunView, matrix: str, name: str, layer: int | None) -> None:
    read = files("weights", "weights", matrix=matrix)
    whole = np.array(snapshot(view).values(f"params/{name}"), np.float32)
    whole = whole if layer is None else whole[layer]
    assert len(read["weight"]) == whole.size
    np.testing.assert_array_equal(
        read["weight"].astype(np.float32), whole[read["row"].astype(int), read["column"].astype(int)]
    )


def test_singular_values_are_those_of_the_table(files: Read, view: RunView) -> None:
    read = files("weights", "singular_values", matrix="fcw.0")
    table = view.tables.ask(f"""SELECT singular_values FROM spectra WHERE run = 'grok-p97' AND tensor = 'fcw'
AND layer = 0 AND part = 'whole' AND step = {STEP}""").table
    stored = np.array(table["singular_values"][0].as_py(), np.float32)
    np.testing.assert_array_equal(read["singular_value"].astype(np.float32), stored)


def test_tokens_on_their_axes(files: Read, view: RunView) -> None:
    read = files("embeddings", "embeddings")
    run = view.snapshots()
    assert run is not None
    axes = principal_axes(np.asarray(run.at(view.steps[-1]).values("params/wte"), np.float32))
    exact = project(np.asarray(snapshot(view).values("params/wte"), np.float32), axes)
    np.testing.assert_allclose(np.stack([read["x"], read["y"]], 1), exact, rtol=1e-5, atol=1e-6)
    tokens = files("runs", "embedding")
    np.testing.assert_allclose(np.stack([tokens["x"], tokens["y"]], 1), exact, rtol=1e-5, atol=1e-6)


def test_frequencies_are_those_of_the_table(files: Read, view: RunView) -> None:
    read = files("fourier", "fourier_bars")
    table = view.tables.ask(f"""SELECT frequency, sqrt(sum(value * value)) AS norm FROM fourier
WHERE run = 'grok-p97' AND site = 'embedding' AND frequency > 0 AND step = {STEP} GROUP BY ALL ORDER BY ALL""").table
    np.testing.assert_array_equal(read["frequency"], table["frequency"].to_numpy())
    np.testing.assert_allclose(read["norm"], table["norm"].to_numpy(), rtol=1e-12)


def test_neurons_are_those_of_a_forward_pass(files: Read, view: RunView) -> None:
    read = files("fourier", "fourier_one")
    run = view.snapshots()
    assert run is not None
    exact = AdditionModel(RecordedRun(run)).forward(STEP).activation
    at = 97 * read["a"].astype(int) + read["b"].astype(int)
    expected = exact[read["layer"].astype(int), at, read["neuron"].astype(int)].astype(np.float32)
    # A product of fewer rows is summed in another order.
    np.testing.assert_allclose(read["activation"], expected, rtol=1e-5, atol=1e-5)


def test_curves_have_every_row_whatever_is_drawn_of_them(
    files: Read, view: RunView, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = files("curves", "loss", smooth="mean-11", x="tokens")
    for metric in ("val_loss", "train_loss"):
        own = read["metric"] == metric
        table = view.tables.ask(f"""SELECT step, tokens, value FROM scalars
WHERE run = 'grok-p97' AND name = '{metric}' ORDER BY step""").table
        for name, column in (("step", "step"), ("x", "tokens"), ("value", "value")):
            np.testing.assert_array_equal(read[name][own], table[column].to_numpy().astype(float))
        assert read["smoothed"][own][5] == pytest.approx(table["value"].to_numpy()[:11].mean())
    assert "x" not in files("curves", "loss")


def test_tensors_have_every_value_of_the_table(files: Read, view: RunView) -> None:
    read = files("curves", "tensors_heatmap", tensors="gradient")
    table = view.tables.ask("""SELECT tensor, step, l2::DOUBLE AS value FROM tensors
WHERE run = 'grok-p97' AND section = 'grads' AND l2 IS NOT NULL ORDER BY ALL""").table
    assert len(read["value"]) == table.num_rows
    assert sorted(zip(read["step"], read["value"], strict=True)) == sorted(
        zip(table["step"].to_pylist(), table["value"].to_pylist(), strict=True)
    )


@settings(max_examples=tries(60, 300))
@given(bits=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
def test_a_float32_as_text_is_read_as_the_same_float32(bits: list[int]) -> None:
    values = np.array(bits, np.uint32).view(np.float32)
    for text in (export.csv(pa.table({"x": values})), csv_bytes(pa.table({"x": values}))):
        back = parsed(text)["x"].astype(np.float32)
        assert (np.isnan(back) == np.isnan(values)).all()
        kept = ~np.isnan(values)
        assert (back[kept].view(np.uint32) == values[kept].view(np.uint32)).all()


def test_the_command_line_writes_the_same(tmp_path: Path) -> None:
    store = strobe.open(ROOT / "examples")
    table = store.sql("SELECT l2, value FROM tensors, scalars WHERE section = 'grads' LIMIT 2000")
    table = table if isinstance(table, pa.Table) else table.to_arrow()
    back = parsed(csv_bytes(table))
    np.testing.assert_array_equal(back["l2"].astype(np.float32), table["l2"].to_numpy())
    np.testing.assert_array_equal(back["value"], table["value"].to_numpy())
