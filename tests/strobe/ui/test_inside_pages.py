"""The pages inside the model on the embedded run, which comes analysed, and on runs that cannot have them."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.charts.moment import bars
from strobe.derive.filling.deriver import Deriver
from strobe.ui.panel import downloads
from strobe.ui.shell.registry import specs
from strobe.ui.weights.spectrum import picked
from strobe.views.run_view import RunView
from tests.support.inside import NO_STORE, opened, text_of
from tests.support.make_run import make_run
from tests.support.planted import resume, run_folder
from tests.support.queued import at_once


@pytest.mark.parametrize("page", [name for name, spec in specs().items() if spec.group == "Inside the model"])
def test_the_embedded_run_is_shown_at_once(monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    at = opened(page, monkeypatch, NO_STORE)
    assert "not analysed" not in text_of(at)
    assert not at.warning
    assert not at.error


def test_the_grokking_story_in_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(opened("fourier", monkeypatch, NO_STORE))
    found = re.search(r"(\d+) of 512 neurons specialise .* on 3 key frequencies: 7, 12, 48\.", text)
    assert found
    assert int(found[1]) >= 300


def test_heads_at_chosen_steps_travel_by_link(monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened("attention", monkeypatch, NO_STORE, at=["0", "14000"], score="entropy")
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
    at_once(monkeypatch, tmp_path / "runs")
    at.button(key="analyse").click().run()
    assert not at.exception
    assert not at.info
    assert "6 of 6 neurons specialise (share at least 0.85) on 1 key frequency: 3." in text_of(at)
    assert "analyse" not in [button.key for button in at.button]


def test_rows_that_are_out_of_date_are_shown_with_the_way_to_mend_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = run_folder(tmp_path / "planted", (0, 100, 200))
    ingest([folder], tmp_path / "store")
    store = Store(tmp_path / "store")
    Deriver(store, store.run("planted")).fill(["fourier", "neurons", "progress"])
    resume(folder, 200)
    ingest([folder], tmp_path / "store")
    at = opened("fourier", monkeypatch, tmp_path / "store", writing=True, run="planted")
    assert "1 of 3 snapshots are not analysed yet, or their rows are out of date" in text_of(at).replace("\\", "")
    assert "`strobe analyze planted`" in text_of(at)
    assert "6 of 6 neurons" in text_of(at)
    at_once(monkeypatch, tmp_path / "runs")
    at.button(key="analyse").click().run()
    assert not at.exception
    assert "out of date" not in text_of(at)


def test_commitment_and_coarseness_of_the_embedded_run(monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened("fourier", monkeypatch, NO_STORE)
    text = text_of(at)
    assert "491 of 512 neurons committed, the first at step 4,700, half of them by step 6,500; none switched" in text
    assert (
        "0 of 512 neurons are blobs and 512 are plaid at step 14,000; mean coarseness 0.0033 (0.053 at step 0)"
        in text
    )
    code = "\n".join(block.value for block in at.code)
    for of_sentence in ("SELECT commitment_step, switches, count(*)", "sum(mean * neurons) / sum(neurons)"):
        assert of_sentence in code, "the query behind the words is shown too"


def test_a_run_analysed_before_there_was_a_table_lacks_that_part_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ingest([run_folder(tmp_path / "planted")], tmp_path / "store")
    store = Store(tmp_path / "store")
    Deriver(store, store.run("planted")).fill(["fourier", "neurons", "progress", "coarseness"])
    read_only = opened("fourier", monkeypatch, tmp_path / "store", run="planted")
    words = text_of(read_only).replace("\\", "")
    assert "Not analysed yet. Run `strobe analyze planted`, then reload." in words
    assert "6 of 6 neurons specialise" in words
    assert "Best frequency of neuron" in words
    assert "out of date" not in words
    assert not [button for button in read_only.button if "analyse" in str(button.key)]
    at = opened("fourier", monkeypatch, tmp_path / "store", writing=True, run="planted")
    at_once(monkeypatch, tmp_path / "runs")
    at.button(key="analyse_history").click().run()
    assert not at.exception
    assert "ot analysed yet" not in text_of(at)
    assert "6 of 6 neurons committed, all from step 100; none switched frequency" in text_of(at)


def test_what_changed_stands_on_the_fourier_page_too(monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(opened("fourier", monkeypatch, NO_STORE))
    assert "What changed around the onset, step 6,3" in text
    assert "At 3 times it stands out." in text
    assert "of random ones up to 4.4% do" in text


def test_what_changed_is_ranked_by_kind_and_around_other_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened("fourier", monkeypatch, NO_STORE, changed="head", moment="cursor", step="4100")
    assert "What changed around the cursor, step 4,100" in text_of(at)
    shown = at.dataframe[0].value
    assert len(shown) == 12
    assert all(what.startswith("head ") for what in shown["what"])
    assert np.isfinite(shown["times"].dropna()).all()


def test_a_second_run_stands_beside_the_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ingest([make_run(tmp_path / "runs" / "other", steps=(0, 500, 1000), layers=1, vocab=97)], tmp_path / "store")
    at = opened("explorer", monkeypatch, tmp_path / "store", run=["grok-p97", "other"], beside="onset")
    assert "onset" in at.query_params["beside"]
    assert "other is shown 5,420 steps earlier" in text_of(at)
    alone = opened("explorer", monkeypatch, tmp_path / "store", run=["grok-p97", "other"])
    assert "earlier" not in text_of(alone)


@pytest.mark.parametrize(("kind", "magic"), [("gif", b"GIF8"), ("html", b"<!doctype html>")])
def test_a_movie_is_made_as_a_file(
    kind: str, magic: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from strobe.ui.panel import movie_child

    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "none"))
    monkeypatch.setattr(movie_child, "MOST_FRAMES", 5)
    movie_child.main(kind, "grok-p97", "attention", "", "0", str(tmp_path / "made"))
    assert (tmp_path / "made").read_bytes().startswith(magic)
    assert capsys.readouterr().out.split("\n") == [f"{done} 5" for done in range(1, 6)] + [""]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_circularity_is_told_beside_what_chance_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(opened("embeddings", monkeypatch, NO_STORE, axes="7"))
    found = re.search(
        r"At step 14,000: (0\.\d+); noise (0\.\d+) on average, and in 95% .* at most (0\.\d+): (.*)\.", text
    )
    assert found
    score, mean, bound = (float(found[k]) for k in (1, 2, 3))
    assert mean < bound
    assert found[4] == ("rounder than noise" if score > bound else "no rounder than noise may be")


def test_the_phases_of_the_embedded_run_by_the_rules_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(opened("fourier", monkeypatch, NO_STORE))
    assert "Memorization to step 1,900, circuit formation to step 4,700, cleanup to step 6,300." in text
    text = text_of(opened("fourier", monkeypatch, NO_STORE, fall="0.2", done="0.001"))
    assert "circuit formation to step 5,800, cleanup to step 6,500." in text


def test_any_neuron_is_drawn_large_with_its_frequency_there_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ingest([run_folder(tmp_path / "planted")], tmp_path / "store")
    at = opened("fourier", monkeypatch, tmp_path / "store", writing=True, run="planted")
    at_once(monkeypatch, tmp_path / "runs")
    at.button(key="analyse").click().run()
    at.selectbox(key="neuron").select("0.4").run()
    assert not at.exception
    assert at.query_params["neuron"] == "0.4"
    assert re.search(r"share of its variance, at each step; at the end 3 with \d+%", text_of(at))


def test_files_of_a_panel_are_made_for_the_step_at_which_the_cursor_rests_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[Any] = []
    held = {"step": 200}
    monkeypatch.setattr("strobe.ui.panel.downloads.panel.tools", lambda *arguments: given.extend(arguments))
    monkeypatch.setattr("strobe.ui.panel.downloads.cursor.resting", lambda: held)
    tables: Any = None
    view = RunView(tables, "a", (0, 100, 200), title="run a")
    values = [[1.0], [2.0], [3.0]]
    downloads.offer(view, "key", "words", [0, 100, 200], "-- sql", lambda k: pa.table({"x": values[k]}),
                    lambda k: bars(["x"], values[k], x_title="x", y_title="y"))  # fmt: skip
    *_, table, figure = given
    assert table().to_pydict() == {"step": [200], "x": [3.0]}
    held["step"] = 150
    assert table().to_pydict() == {"step": [100], "x": [2.0]}
    assert figure().title == "run a, step 100"


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


def test_three_axes_take_the_colours_of_the_frequency(monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened("embeddings", monkeypatch, NO_STORE, axes="7")
    at.toggle(key="solid_on").set_value(True).run()
    assert not at.exception
    figure = json.loads(at.get("plotly_chart")[0].proto.spec)
    residues, other = figure["data"]
    assert len(residues["text"]) == 97
    assert other["text"] == ["="]
    assert np.asarray(_plain(residues["marker"]["color"])) == pytest.approx(
        [(7 * row % 97) / 97 for row in range(97)]
    )


def test_three_axes_name_tokens_on_hover_and_keep_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened("embeddings", monkeypatch, NO_STORE, step="6300")
    at.toggle(key="solid_on").set_value(True).run()
    before = json.loads(at.get("plotly_chart")[0].proto.spec)
    at.query_params["step"] = "14000"
    at.run()
    after = json.loads(at.get("plotly_chart")[0].proto.spec)
    assert "Step 14,000" in text_of(at)
    assert before["data"][0]["x"] != after["data"][0]["x"]
    # Plotly leaves camera and zoom alone while this stays the same.
    assert before["layout"]["uirevision"] == after["layout"]["uirevision"] == "grok-p97"
    assert before["layout"]["scene"] == after["layout"]["scene"]
    for figure in (before, after):
        assert [trace["hoverinfo"] for trace in figure["data"]] == ["text", "text"]
        assert [name for trace in figure["data"] for name in trace["text"]] == [*map(str, range(97)), "="]


def _plain(value: object) -> object:
    """A list as it is, or out of the base64 that Plotly packs arrays in."""
    if isinstance(value, dict):
        return np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
    return value


@pytest.mark.parametrize(("many", "numbers"), [(1, [1]), (3, [1, 2, 3]), (98, [1, 4, 8, 16, 49, 64, 98])])
def test_the_largest_singular_value_is_always_drawn(many: int, numbers: list[int]) -> None:
    assert picked(many) == numbers


def test_what_is_no_residue_has_no_place_among_the_colours() -> None:
    from strobe.charts.colours import token_colours
    from strobe.views.tokens import colour_places

    assert colour_places(range(6), 6, 5, 2) == pytest.approx([0, 0.4, 0.8, 0.2, 0.6, -1])
    assert colour_places([0, 50], 100, None) == [0, 0.5]
    labels = [*map(str, range(97)), "="]
    once, seven = token_colours(labels), token_colours(labels, 7)
    assert (seven[1] == once[7]).all()
    assert (seven[97] == once[97]).all()


def test_what_rows_and_columns_are_and_where_snapshots_went(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = make_run(tmp_path / "runs" / "gone")
    ingest([gone, make_run(tmp_path / "runs" / "there")], tmp_path / "store")
    at = opened("weights", monkeypatch, tmp_path / "store", run="there", matrix="wte")
    assert "20 rows (tokens) by 16 columns (channels)." in text_of(at)
    at = opened("weights", monkeypatch, tmp_path / "store", run="gone")
    assert "64 rows" in text_of(at)
    shutil.rmtree(gone)
    at.run()
    assert not at.exception
    assert "not where they were" in text_of(at)
    assert "section “params”" not in text_of(at)
