"""The pages inside the model where something is too large, damaged, or was never recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.run.layout import place
from etl.run.writer import SnapshotWriter
from tests.support.inside import opened, text_of
from tests.support.make_run import make_run


def test_no_circle_is_offered_where_residues_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ingest([make_run(tmp_path / "runs" / "wide", steps=(0, 100), vocab=2600, width=8)], tmp_path / "store")
    at = opened("embeddings", monkeypatch, tmp_path / "store", run="wide", axes="3")
    assert "2,048 of 2,600 rows" in text_of(at)
    assert "6,754,801 inputs are more than the 100,000" in text_of(at)
    assert "Circle of frequency" not in text_of(at)


def test_the_asked_step_of_a_matrix_is_read_first_and_the_rest_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from strobe.ui.weights import kept

    ingest([make_run(tmp_path / "runs" / "deep", steps=range(0, 800, 100), layers=3)], tmp_path / "store")
    asked: list[list[int]] = []
    frames = kept.matrix_frames

    def told(view, matrix, steps, least):
        asked.append(list(steps))
        return frames(view, matrix, steps, least)

    monkeypatch.setattr(kept, "matrix_frames", told)
    at = opened("weights", monkeypatch, tmp_path / "store", run="deep", matrix="fcw.1", step="300")
    assert asked == [[300], list(range(0, 800, 100))]
    asked.clear()
    at.run()
    assert asked == [list(range(0, 800, 100))]


def test_a_large_matrix_is_read_at_some_steps_and_at_the_asked_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("strobe.views.weights.MOST_READ", 3 * 4 * 64 * 16)
    ingest([make_run(tmp_path / "runs" / "deep", steps=range(0, 800, 100))], tmp_path / "store")
    at = opened("weights", monkeypatch, tmp_path / "store", run="deep", matrix="fcw.1", step="300")
    assert "Read at 4 of 8 snapshots (16.4 kB); another is read when the cursor rests on it." in text_of(at)


def test_singular_values_on_demand_state_their_cost_and_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ingest([make_run(tmp_path / "runs" / "deep", steps=(0, 100))], tmp_path / "store")
    at = opened("weights", monkeypatch, tmp_path / "store", run="deep", matrix="fcw.1")
    assert "Step 100, by an SVD in float64 in" in text_of(at)
    assert not [button for button in at.button if "Compute" in button.label]


def test_what_would_take_long_is_computed_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("strobe.ui.weights.spectrum_at_cursor.CHEAP_SECONDS", 0)
    ingest([make_run(tmp_path / "runs" / "deep", steps=(0, 100))], tmp_path / "store")
    at = opened("weights", monkeypatch, tmp_path / "store", run="deep", matrix="fcw.1", step="0")
    assert "Not analysed: compute one step here, or all with `strobe analyze deep`." in text_of(at)
    at.button(key="singular_values_compute").click().run()
    assert not at.exception
    assert "Step 0, by an SVD in float64 in" in text_of(at)
    at.query_params["step"] = "100"
    at.run()
    assert "Step 0, by an SVD" in text_of(at)
    at.button(key="singular_values_compute").click().run()
    assert "Step 100, by an SVD" in text_of(at)


@pytest.mark.parametrize(("shape", "low", "high"), [((3072, 768), 0.01, 0.3), ((9216, 2304), 0.3, 5)])
def test_the_stated_cost_is_of_the_right_size(shape: tuple[int, int], low: float, high: float) -> None:
    from strobe.views.matrices import WeightMatrix
    from strobe.views.spectrum import seconds

    assert low < seconds(WeightMatrix("fcw", None, shape)) < high


def test_heads_are_scored_from_the_snapshots_where_no_scores_are_stored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("strobe.views.attention.MOST_READ", 4 * 2 * 1152)
    monkeypatch.setattr("strobe.views.head_scores.MOST_EACH", 1000)
    ingest([make_run(tmp_path / "runs" / "two", steps=(0, 100, 200), heads=4)], tmp_path / "store")
    text = text_of(opened("attention", monkeypatch, tmp_path / "store", run="two", score="entropy"))
    words = "Computed now from all 3 snapshots, the first 3 of 4 probe sequences (2.59 kB read): `strobe analyze two`"
    assert words in text


def test_scores_on_demand_are_those_that_would_be_stored(tmp_path: Path) -> None:
    from strobe.derive import heads
    from strobe.derive.recorded_run import RecordedRun
    from strobe.derive.subject import Subject
    from strobe.views.head_scores import rows_of

    run = Run(make_run(tmp_path / "two", steps=(0,)))
    stored = heads.rows(Subject(RecordedRun(run)), 0)
    for made, kept in zip(rows_of(run.at(0), 0, 4), stored, strict=True):
        assert {name: kept[name] for name in made if name != "series"} == {
            k: v for k, v in made.items() if k != "series"
        }


def without_attention(folder: Path) -> Path:
    """A run whose snapshots hold parameters and nothing else."""
    run = Run(make_run(folder / "full", steps=(0, 100, 200)))
    kept = [tensor for tensor in run.manifest.raw["snapshot"]["tensors"] if tensor["section"] == "params"]
    tensors, size = place([{k: v for k, v in tensor.items() if k != "offset"} for tensor in kept])
    bare = folder / "bare"
    bare.mkdir()
    own = run.manifest.raw | {"snapshot": {"bytes": size, "tensors": tensors}}
    own["run"] = own["run"] | {"id": "bare", "name": "bare"}
    writer = SnapshotWriter(bare, own)
    for step in (0, 100, 200):
        writer.write(step, {tensor["name"]: np.array(run.at(step)[tensor["name"]]) for tensor in tensors})
    (bare / "metrics.jsonl").write_text('{"step": 0, "time": 1.0, "train_loss": 1.0}\n')
    return bare


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("attention", "its snapshots have no section “attention”; they hold params"),
        ("explorer", "This run recorded no attention"),
        ("weights", "This run recorded no activations"),
        ("embeddings", "Principal axes of the last snapshot"),
    ],
)
def test_a_run_with_parameters_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, page: str, words: str) -> None:
    ingest([without_attention(tmp_path)], tmp_path / "store")
    at = opened(page, monkeypatch, tmp_path / "store", run="bare")
    assert words in text_of(at)
    assert not at.error


@pytest.mark.parametrize("kept", [(0,), ()], ids=["two of three", "all"])
@pytest.mark.parametrize("page", ["attention", "explorer", "weights", "embeddings", "fourier"])
def test_a_damaged_snapshot_costs_its_own_frame(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, page: str, kept: tuple[int, ...]
) -> None:
    folder = make_run(tmp_path / "runs" / "hurt", steps=(0, 100, 200))
    ingest([folder], tmp_path / "store")
    for step, size in ((0, 100), (100, 200), (200, 0)):
        path = folder / f"step_{step:06d}.bin"
        if step not in kept:
            path.write_bytes(path.read_bytes()[:size])
    at = opened(page, monkeypatch, tmp_path / "store", run="hurt", step="100")
    assert not at.error
    assert bool(kept) == ("can be read" not in text_of(at)) or page == "fourier"


class Recorded(dict):  # type: ignore[type-arg]
    """As much of a snapshot as the activations panel asks for."""

    step = 100

    def values(self, name: str) -> np.ndarray:  # type: ignore[override]
        return np.asarray(self[name])

    def spec(self, name: str) -> dict[str, object]:
        first = "one" if "lnf" in name else "layer"
        dims = [first, "neuron"][: self.values(name).ndim]
        return {"name": name, "dims": dims, "shape": list(self.values(name).shape), "dtype": "float32"}


def test_what_is_recorded_of_activations_becomes_rows_by_layer() -> None:
    from strobe.views.activations import rows_of

    snapshot = Recorded({
        "activations/ln1_mean": [-0.5, 0.25], "activations/lnf_rstd": [2.0],
        "activations/residual_rms": [1.0, np.nan],
        "activations/unit_active": [[0.0, 1.0, 0.5, 0.5], [0.0, 0.0, 0.0, 1.0]],
    })  # fmt: skip
    rows = {(row["name"], row["series"]): row["value"] for row in rows_of(snapshot)}
    assert rows[("ln1_mean", "layer 0")] == -0.5
    assert rows[("lnf_rstd", "model")] == 2.0
    assert rows[("residual_rms", "layer 1")] is None
    assert [rows[(name, "layer 1")] for name in ("active", "dead", "always_on")] == [0.25, 3, 1]


def test_signed_values_are_shaded_about_zero() -> None:
    from strobe.ui.panel.derived import _signed

    shades, low, high = _signed(np.array([[-2.0, 0.0, 1.0, np.nan]]))
    assert shades.tolist() == [[1, 128, 192, 0]]
    assert (low, high) == (-2, 2)


def test_the_residual_stream_is_a_heatmap_before_it_is_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ingest([make_run(tmp_path / "runs" / "two", steps=(0, 100))], tmp_path / "store")
    text = text_of(opened("weights", monkeypatch, tmp_path / "store", run="two", activation="stream"))
    assert "Root mean square of the recorded residual stream: the embedding, then each layer." in text
    assert "The same as lines." in text


def test_attention_too_large_for_a_panel_is_read_round_the_cursor_and_compared_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A snapshot has 2 * 4 * 4 * 9 weights: room for half the probe sequences, and for two snapshots.
    monkeypatch.setattr("strobe.views.attention.MOST_READ", 4 * 2 * 2 * 4 * 9 * 2)
    ingest([make_run(tmp_path / "runs" / "two", steps=range(0, 600, 100))], tmp_path / "store")
    at = opened("attention", monkeypatch, tmp_path / "store", run="two", step="500", at=["0", "300"])
    text = text_of(at)
    assert "Mean of the first 2 of 4 probe sequences." in text
    assert "Step 0" in text
    assert "Step 300" in text


def test_a_window_reaches_over_a_snapshot_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else the panel would wait for it without end."""
    from strobe.ui.panel import panel

    run = make_run(tmp_path / "runs" / "two", steps=range(0, 600, 100))
    ingest([run], tmp_path / "store")
    (run / "step_000000.bin").write_bytes(b"damaged")
    monkeypatch.setattr("strobe.views.budget.MOST_BYTES", 100)
    monkeypatch.setattr("strobe.views.budget.MOST_MOVED", 4 * 2 * 4 * 3 * 3)
    shown: dict[str, Any] = {}
    show = panel.show

    def told(key: str, header: Any, arrays: Any, **callbacks: Any) -> Any:
        shown[key] = header.header()
        return show(key, header, arrays, **callbacks)

    monkeypatch.setattr(panel, "show", told)
    opened("attention", monkeypatch, tmp_path / "store", run="two", step="0", head="0.1")
    for key in ("attention", "attention_one"):
        assert shown[key]["windowed"]
        assert shown[key]["span"][0] == 0 < shown[key]["steps"][0]


def test_two_runs_without_spectra_stand_beside_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "runs" / name, steps=(0, 100)) for name in ("one", "two")]
    ingest(runs, tmp_path / "store")
    at = opened("explorer", monkeypatch, tmp_path / "store", run=["one", "two"], beside="step")
    assert text_of(at).count("by an SVD in float64") == 2
