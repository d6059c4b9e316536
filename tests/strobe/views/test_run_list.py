"""Lists of runs: found, sorted with what is blank last, with any column, and in groups."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.ingest.load import ingest
from etl.store.annotations import Annotations
from etl.store.catalogue import Store
from etl.store.files import Files
from etl.store.manage import annotate_run
from strobe.views.run_cells import cell, duration, hint
from strobe.views.run_columns import flattened, resolve
from strobe.views.run_filter import FilterError, is_blank
from strobe.views.run_list import Band, Listing, Wanted, groupable, listing, ordered
from strobe.views.run_values import AllRuns, Values
from tests.support.make_run import make_run

LOSSES: dict[str, list[Any]] = {
    "a": [4.0, 1.0, 2.0], "b": [3.0, "NaN", "NaN"], "c": [5.0, "NaN", 0.5], "d": [], "e": ["Infinity"],
}  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> AllRuns:
    root = tmp_path_factory.mktemp("lists")
    for k, (name, losses) in enumerate(LOSSES.items()):
        run = make_run(root / "runs" / name, steps=(0,))
        manifest = json.loads((run / "manifest.json").read_text())
        manifest["run"]["created_at"] = 1e9 + k
        manifest["training"] = {**manifest.get("training", {}), "learning_rate": 10.0**-k, "seed": k % 2}
        for snapshot in run.glob("step_*.bin"):
            snapshot.unlink()
        (run / "manifest.json").write_text(json.dumps(manifest))
        rows = [{"step": 10 * j, "time": 1.0, "val_loss": loss} for j, loss in enumerate(losses)]
        rows += [{"step": 0, "time": 1.0, "other/odd name": float(k)}] if name != "d" else []
        (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        ingest([run], root / "store")
    files = Files(root / "store")
    annotate_run(files, "b", lambda _: Annotations(("paper", "seed two"), "a note on it"))
    annotate_run(files, "d", lambda _: Annotations(archived=True))
    return AllRuns(Store(root / "store").current())


def found(source: AllRuns, **wanted: Any) -> str:
    return "".join(listing(source, Wanted(page=None, **wanted)).found)


def cells(source: AllRuns, *columns: str, **wanted: Any) -> dict[str, list[str]]:
    made = listing(source, Wanted(page=None, columns=columns, **wanted))
    return {row["run"] or str(row["group"]): [cell(column, row) for column in made.columns] for row in made.rows}


def test_the_newest_stand_first_and_the_archived_are_left_out_and_counted(source: AllRuns) -> None:
    assert found(source) == "ecba"
    assert found(source, archived=True) == "edcba"
    made: Listing = listing(source, Wanted())
    assert (made.total, made.archived) == (5, 1)


def test_nan_and_blanks_are_last_in_both_directions(source: AllRuns) -> None:
    assert found(source, sort="val_loss", archived=True) == "caedb"
    assert found(source, sort="-val_loss", archived=True) == "eacdb"
    assert found(source, sort="lr", archived=True) == "edcba"
    assert found(source, sort="best(val_loss)") == "caeb"[:1] + found(source, sort="best(val_loss)")[1:]


@given(st.lists(st.one_of(st.floats(), st.none(), st.text(max_size=3), st.integers(-5, 5))), st.booleans())
def test_any_values_are_sorted_with_the_blank_ones_last(values: list[Any], descending: bool) -> None:
    made = ordered(values, lambda value: value, descending)
    blank = [is_blank(value) for value in made]
    assert blank == sorted(blank)
    numbers = [value for value in made if isinstance(value, int | float) and not is_blank(value)]
    assert numbers == sorted(numbers, reverse=descending)


def test_search_looks_at_names_tags_and_notes(source: AllRuns) -> None:
    assert found(source, search="PAPER") == "b"
    assert found(source, search="note on") == "b"
    assert found(source, search="nothing of that kind") == ""


@pytest.mark.parametrize(
    ("condition", "runs"),
    [
        ("lr >= 1e-2", "cba"),
        ("lr < 0.5 and seed = 0", "ec"),
        ("val_loss < 1.5", "c"),
        ("min(val_loss) <= 1", "ca"),
        ("best(val_loss) = 3", "b"),
        ("mean(val_loss) = 2.75", "c"),
        ("status = 'diverged'", "eb"),
        ("tags contains 'paper'", "b"),
        ("val_loss is null", "b"),
        ('last("other/odd name") = 4', "e"),
        ('"other/odd name" > 1', "ec"),
    ],
)
def test_conditions_on_settings_and_on_metrics(source: AllRuns, condition: str, runs: str) -> None:
    assert found(source, condition=condition) == runs


@pytest.mark.parametrize("wanted", [{"condition": "val_los < 1"}, {"sort": "-val_los"}, {"columns": ("val_los",)}])
def test_a_column_that_is_not_there_is_named_with_those_that_are(source: AllRuns, wanted: dict[str, Any]) -> None:
    with pytest.raises(FilterError, match=r"no run has the column 'val_los'; did you mean val_loss\?"):
        listing(source, Wanted(**wanted))
    with pytest.raises(FilterError, match=r"there are name, run.*; of configurations .*; of metrics "):
        listing(source, Wanted(condition="zzqqxx > 1"))


def test_the_end_of_a_path_is_enough_unless_it_is_that_of_several() -> None:
    keys = ("training.seed", "data.seed", "training.learning_rate", "model.n")
    assert resolve("n", keys).key == "model.n"
    assert resolve("lr", keys).key == "training.learning_rate"
    assert resolve("config.model.n", keys).key == "model.n"
    assert (resolve("n_layers", keys).of, resolve("best(a b)", keys).key) == ("last", "a b")
    with pytest.raises(FilterError, match=r"'seed' may be data.seed, training.seed"):
        resolve("seed", keys)


def test_the_best_of_an_accuracy_is_its_greatest() -> None:
    assert (resolve("best(val_accuracy)", ()).direction, resolve("best(val_loss)", ()).direction) == ("max", "min")


def test_a_run_that_ends_on_no_number_diverged_since_the_first_of_them(source: AllRuns) -> None:
    words = {run: row[0] for run, row in cells(source, "status").items()}
    assert (words["b"], words["e"]) == ("diverged at 10", "diverged at 0")
    assert "diverged" not in words["c"], "it was a number again"


def test_a_cell_is_the_recorded_value_at_the_step_it_names(source: AllRuns) -> None:
    made = listing(source, Wanted(page=None, columns=("min(val_loss)", "val_loss")))
    row = next(row for row in made.rows if row["run"] == "a")
    assert [hint(column, row) for column in made.columns] == [
        "min val_loss: 1.0 at step 10", "val_loss: 2.0 at step 20",
    ]  # fmt: skip


def test_groups_have_the_mean_the_spread_and_how_many(source: AllRuns) -> None:
    made = listing(source, Wanted(page=None, columns=("name", "min(val_loss)", "task"), group="seed"))
    rows = {row["group"]: row for row in made.rows}
    assert {value: "".join(row["of"]) for value, row in rows.items()} == {0: "eca", 1: "b"}
    band = rows[0]["values"]["min(val_loss)"]
    assert isinstance(band, Band)
    assert (band.mean, band.n) == (0.75, 2)
    assert band.sd == pytest.approx(math.sqrt(0.125))
    assert cell(made.columns[1], rows[0]) == "0.7500 ± 0.3536 (2)"
    assert rows[0]["values"]["name"] == "3 values"
    assert "training.seed" in groupable(Values(source))


def test_a_configuration_is_flat_and_a_broken_one_is_empty() -> None:
    assert flattened('{"a": {"b": 1, "c": [1, 2]}, "d": null}') == {"a.b": 1, "a.c": "[1, 2]", "d": None}
    assert flattened("[1") == flattened(None) == {}


def test_a_duration_is_said_in_its_two_largest_units() -> None:
    assert [duration(s) for s in (0.4, 42, 61, 3_600, 11_520, 90_000)] == [
        "0 s", "42 s", "1 min 1 s", "1 h", "3 h 12 min", "1 d 1 h",
    ]  # fmt: skip
