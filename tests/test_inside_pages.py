"""The pages inside the model on the embedded run, which comes analysed, and on runs that cannot have them."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from app_store import ROOT
from make_run import make_run
from streamlit.testing.v1 import AppTest
from test_derive import run_folder

from etl.ingest import ingest
from etl.run import Run
from etl.snapshot import SnapshotWriter, place
from strobe.ui.registry import specs


@pytest.fixture(autouse=True)
def _few_forward_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strobe.ui.neuron_panels.MOST_FRAMES", 2)


def opened(
    page: str, monkeypatch: pytest.MonkeyPatch, store: Path, writing: bool = False, **query: str | list[str]
) -> AppTest:
    monkeypatch.setenv("STROBE_STORE", str(store))
    monkeypatch.setenv("STROBE_READ_ONLY", "0" if writing else "1")
    at = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=60)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception[0].stack_trace
    return at


def text_of(at: AppTest) -> str:
    shown = [
        element.value for kind in ("markdown", "caption", "warning", "info", "error") for element in getattr(at, kind)
    ]
    return "\n".join([*map(str, shown), *(element.proto.body for element in at.get("html"))])


@pytest.mark.parametrize("page", [name for name, spec in specs().items() if spec.group == "Inside the model"])
def test_the_embedded_run_is_shown_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, page: str) -> None:
    at = opened(page, monkeypatch, tmp_path / "none")
    assert "not analysed" not in text_of(at)
    assert not at.warning
    assert not at.error


def test_the_grokking_story_in_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = text_of(opened("fourier", monkeypatch, tmp_path / "none"))
    found = re.search(r"(\d+) of 512 neurons specialise .* on 3 key frequencies: 7, 12, 48\.", text)
    assert found
    assert int(found[1]) >= 300


def test_heads_at_chosen_steps_travel_by_link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    at = opened("attention", monkeypatch, tmp_path / "none", at=["0", "14000"], score="entropy")
    text = text_of(at)
    assert "Step 0" in text
    assert "Step 14,000" in text
    assert "Step 6,300" not in text
    assert "spread over the keys" in text


def test_more_steps_than_fit_and_those_of_another_run_do_no_harm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ingest([make_run(tmp_path / "runs" / "two", steps=(0, 50, 150, 250))], tmp_path / "store")
    at = opened("attention", monkeypatch, tmp_path / "store", run="grok-p97", at=["400", "6300", "13200", "14000"])
    assert "Step 13,200" in text_of(at)
    assert "Step 14,000" not in text_of(at)
    assert any("4 of at" in note.value for note in at.warning)
    at.query_params["run"] = "two"
    at.query_params.pop("at")
    at.run()
    assert not at.exception
    assert "Step 250" in text_of(at)
    at.multiselect(key="compared_steps").set_value(["50"]).run()
    assert not at.exception
    assert "Step 50" in text_of(at)
    assert "Step 250" not in text_of(at)


def test_another_task_has_no_fourier_structure_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ingest([run_folder(tmp_path / "words", task={"kind": "text"})], tmp_path / "store")
    at = opened("fourier", monkeypatch, tmp_path / "store", writing=True, run="planted")
    assert len(at.info) == 1
    assert "the task is text, not modular addition" in at.info[0].value.replace("\\", "")
    assert not at.button, "nothing that could be pressed would fill it"


def test_a_run_not_analysed_yet_says_how_and_the_button_does_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ingest([run_folder(tmp_path / "planted")], tmp_path / "store")
    read_only = opened("fourier", monkeypatch, tmp_path / "store", run="planted")
    assert "`strobe analyze planted`" in read_only.info[0].value
    assert not read_only.button
    at = opened("fourier", monkeypatch, tmp_path / "store", writing=True, run="planted")
    at.button(key="analyse").click().run()
    assert not at.exception
    assert not at.info
    assert "6 of 6 neurons specialise (share at least 0.85) on 1 key frequencies: 3." in text_of(at)


def test_what_changed_stands_on_the_fourier_page_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = text_of(opened("fourier", monkeypatch, tmp_path / "none"))
    assert "What changed around the onset, step 6,3" in text
    assert "A ranking, not a test." in text


def test_what_changed_is_ranked_by_kind_and_around_other_moments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    at = opened("fourier", monkeypatch, tmp_path / "none", changed="head", moment="cursor", step="4100")
    assert "What changed around the cursor, step 4,100" in text_of(at)
    shown = at.dataframe[0].value
    assert len(shown) == 12
    assert all(what.startswith("head ") for what in shown["what"])
    assert np.isfinite(shown["standardised"]).all()


def test_a_second_run_stands_beside_the_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ingest([make_run(tmp_path / "runs" / "other", steps=(0, 500, 1000), layers=1, vocab=97)], tmp_path / "store")
    at = opened("explorer", monkeypatch, tmp_path / "store", run=["grok-p97", "other"], beside="onset")
    assert "onset" in at.query_params["beside"]
    assert "other is shown 5,420 steps earlier" in text_of(at)
    alone = opened("explorer", monkeypatch, tmp_path / "store", run=["grok-p97", "other"])
    assert "earlier" not in text_of(alone)


@pytest.mark.parametrize(("kind", "magic"), [("gif", b"GIF8"), ("html", b"<!doctype html>")])
def test_a_page_makes_its_movie_when_it_is_asked_for(kind: str, magic: bytes) -> None:
    import strobe
    from strobe.derive.movies import Wanted
    from strobe.ui.movie_button import _made

    page = SimpleNamespace(run="grok-p97", reader=SimpleNamespace(catalogue=strobe.open().current()))
    assert _made(page, Wanted("attention", size=200), kind).startswith(magic)


def test_no_circle_is_offered_where_residues_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ingest([make_run(tmp_path / "runs" / "wide", steps=(0, 100), vocab=2600, width=8)], tmp_path / "store")
    at = opened("embeddings", monkeypatch, tmp_path / "store", run="wide", axes="3")
    assert "2,048 of 2,600 rows" in text_of(at)
    assert "6,754,801 inputs are more than the 100,000" in text_of(at)
    assert "Circle of frequency" not in text_of(at)


def test_circularity_is_told_beside_what_chance_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = re.search(
        r"Random rows get (0\.\d+)", text_of(opened("embeddings", monkeypatch, tmp_path / "none", axes="7"))
    )
    assert found
    assert 0.3 < float(found[1]) < 0.6


def test_the_asked_step_of_a_matrix_is_read_first_and_the_rest_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from strobe.ui import weight_frames

    ingest([make_run(tmp_path / "runs" / "deep", steps=range(0, 800, 100), layers=3)], tmp_path / "store")
    asked: list[list[int]] = []
    frames = weight_frames.frames

    def told(page, matrix, steps):
        asked.append(list(steps))
        return frames(page, matrix, steps)

    monkeypatch.setattr(weight_frames, "frames", told)
    at = opened("weights", monkeypatch, tmp_path / "store", run="deep", matrix="fcw.1", step="300")
    assert asked == [[300], list(range(0, 800, 100))]
    asked.clear()
    at.run()
    assert asked == [list(range(0, 800, 100))]


def test_a_large_matrix_is_read_at_some_steps_and_at_the_asked_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("strobe.ui.weight_frames.MOST_READ", 3 * 4 * 64 * 16)
    ingest([make_run(tmp_path / "runs" / "deep", steps=range(0, 800, 100))], tmp_path / "store")
    at = opened("weights", monkeypatch, tmp_path / "store", run="deep", matrix="fcw.1", step="300")
    assert "Read at 4 of 8 snapshots (16.4 kB); another is read when the cursor rests on it." in text_of(at)


def test_singular_values_on_demand_state_their_cost_and_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ingest([make_run(tmp_path / "runs" / "deep", steps=(0, 100))], tmp_path / "store")
    at = opened("weights", monkeypatch, tmp_path / "store", run="deep", matrix="fcw.1")
    toggle = at.toggle(key="spectrum_on")
    assert toggle.label == "Compute at the cursor (less than 0.1 s a step)"
    assert "Step 100, by an SVD in float64 in" in text_of(at)
    toggle.set_value(False).run()
    assert not at.exception
    assert "by an SVD" not in text_of(at)


@pytest.mark.parametrize(("shape", "low", "high"), [((3072, 768), 0.01, 0.3), ((9216, 2304), 0.3, 5)])
def test_the_stated_cost_is_of_the_right_size(shape: tuple[int, int], low: float, high: float) -> None:
    from strobe.ui.spectrum_panels import seconds
    from strobe.ui.weight_frames import Matrix

    assert low < seconds(Matrix("fcw", None, shape)) < high


def test_the_phases_of_the_embedded_run_by_the_rules_of_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = text_of(opened("fourier", monkeypatch, tmp_path / "none"))
    assert "Memorization to step 1,900, circuit formation to step 4,700, cleanup to step 6,300." in text
    text = text_of(opened("fourier", monkeypatch, tmp_path / "none", fall="0.2", done="0.001"))
    assert "circuit formation to step 5,800, cleanup to step 6,500." in text


def test_any_neuron_is_drawn_large_with_its_frequency_there_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ingest([run_folder(tmp_path / "planted")], tmp_path / "store")
    at = opened("fourier", monkeypatch, tmp_path / "store", writing=True, run="planted")
    at.button(key="analyse").click().run()
    at.selectbox(key="neuron").select("0.4").run()
    assert not at.exception
    assert at.query_params["neuron"] == "0.4"
    assert re.search(r"Step 200: best frequency 3, which holds \d+% of its variance; at the end 3 with", text_of(at))


def test_the_geometry_of_the_classes_is_computed_on_demand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ingest([run_folder(tmp_path / "planted")], tmp_path / "store")
    at = opened("embeddings", monkeypatch, tmp_path / "store", run="planted")
    assert "runs the model on all 169 inputs at 3 snapshots" in text_of(at)
    at.toggle(key="geometry_on").set_value(True).run()
    assert not at.exception
    assert "of centroids to their mean" in text_of(at)
    ingest([run_folder(tmp_path / "words", task={"kind": "text"})], tmp_path / "other")
    other = opened("embeddings", monkeypatch, tmp_path / "other", run="planted")
    assert not [toggle for toggle in other.toggle if toggle.key == "geometry_on"]


def test_three_axes_take_the_colours_of_the_frequency(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    at = opened("embeddings", monkeypatch, tmp_path / "none", axes="7")
    at.toggle(key="solid_on").set_value(True).run()
    assert not at.exception
    figure = json.loads(at.get("plotly_chart")[0].proto.spec)
    residues, other = figure["data"]
    assert len(residues["text"]) == 97
    assert other["text"] == ["="]
    assert np.asarray(_plain(residues["marker"]["color"])) == pytest.approx(
        [(7 * row % 97) / 97 for row in range(97)]
    )


def _plain(value: object) -> object:
    """A list as it is, or out of the base64 that Plotly packs arrays in."""
    if isinstance(value, dict):
        return np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
    return value


def test_heads_are_scored_from_the_snapshots_where_no_scores_are_stored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("strobe.ui.attention_panels.MOST_READ", 4 * 2 * 1152)
    monkeypatch.setattr("strobe.ui.attention_panels.MOST_EACH", 1000)
    ingest([make_run(tmp_path / "runs" / "two", steps=(0, 100, 200), heads=4)], tmp_path / "store")
    text = text_of(opened("attention", monkeypatch, tmp_path / "store", run="two", score="entropy"))
    words = "Computed now from all 3 snapshots, the first 3 of 4 probe sequences (2.59 kB read): `strobe analyze two`"
    assert words in text


def test_scores_on_demand_are_those_that_would_be_stored(tmp_path: Path) -> None:
    from strobe.derive.snapshots import heads
    from strobe.derive.subject import Subject
    from strobe.ui.attention_panels import _score

    run = Run(make_run(tmp_path / "two", steps=(0,)))
    stored = heads(Subject(run), 0)
    for made, kept in zip(_score(run.at(0), 0, 4), stored, strict=True):
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
        ("attention", "no attention to show: record snapshots with the section “attention”"),
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


def test_what_is_no_residue_has_no_place_among_the_colours() -> None:
    from strobe.charts.colours import token_colours
    from strobe.ui.frames import colour_places

    assert colour_places(range(6), 6, 5, 2) == pytest.approx([0, 0.4, 0.8, 0.2, 0.6, -1])
    assert colour_places([0, 50], 100, None) == [0, 0.5]
    labels = [*map(str, range(97)), "="]
    once, seven = token_colours(labels), token_colours(labels, 7)
    assert (seven[1] == once[7]).all()
    assert (seven[97] == once[97]).all()


class Recorded(dict):  # type: ignore[type-arg]
    """As much of a snapshot as the activations panel asks for."""

    def values(self, name: str) -> np.ndarray:  # type: ignore[override]
        return np.asarray(self[name])


def test_what_is_recorded_of_activations_becomes_rows_by_layer() -> None:
    from strobe.ui.activation_panels import _of

    snapshot = Recorded({
        "activations/ln1_mean": [-0.5, 0.25], "activations/lnf_rstd": [2.0],
        "activations/residual_rms": [1.0, np.nan],
        "activations/unit_active": [[0.0, 1.0, 0.5, 0.5], [0.0, 0.0, 0.0, 1.0]],
    })  # fmt: skip
    rows = {(row["name"], row["series"]): row["value"] for row in _of(snapshot, 100)}
    assert rows[("ln1_mean", "layer 0")] == -0.5
    assert rows[("lnf_rstd", "model")] == 2.0
    assert rows[("residual_rms", "layer 1")] is None
    assert [rows[(name, "layer 1")] for name in ("active", "dead", "always_on")] == [0.25, 3, 1]


def test_signed_values_are_shaded_about_zero() -> None:
    from strobe.ui.derived_panels import _signed

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
    monkeypatch.setattr("strobe.ui.frames.MOST_ATTENTION", 4 * 2 * 2 * 4 * 9 * 2)
    ingest([make_run(tmp_path / "runs" / "two", steps=range(0, 600, 100))], tmp_path / "store")
    at = opened("attention", monkeypatch, tmp_path / "store", run="two", step="500", at=["0", "300"])
    text = text_of(at)
    assert "Mean of the first 2 of 4 probe sequences." in text
    assert "Step 0" in text
    assert "Step 300" in text
