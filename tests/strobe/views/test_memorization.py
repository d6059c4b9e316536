"""What is said of a study: the numbers of its tables, in words that hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import strobe
from strobe.cli import app
from strobe.plot.figures import make
from strobe.plot.memorization import FIGURES
from strobe.plot.request import Request
from strobe.views.memorization import Study, passage, passage_names, studies, study, summary
from strobe.views.memorization_report import lead, markdown, near_chance, words
from strobe.views.run_view import CatalogueTables, RunView
from tests.support.effort import whole_in_ci
from tests.support.studied import studied_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return studied_store(tmp_path_factory.mktemp("studied"))


@pytest.fixture(scope="module")
def view(store: Path) -> RunView:
    catalogue = strobe.open(store).current()
    return RunView(CatalogueTables(catalogue, str(store)), "mem", tuple(catalogue.run("mem").steps()))


@pytest.fixture(scope="module")
def shown(view: RunView) -> Study:
    found = study(view)
    assert found is not None
    return found


def test_a_study_is_what_its_tables_hold(shown: Study) -> None:
    assert (shown.epochs, list(shown.steps), shown.layers) == ([1, 2, 4], [3, 6, 12], 3)
    assert shown.accuracy("trained").tolist() == pytest.approx([0.075, 1.0, 1.0])
    assert shown.memorized("trained").tolist() == [0, 6, 6]
    assert shown.memorized("novel").tolist() == [0, 0, 0]
    assert shown.best_layer == 1
    assert shown.separation().shape == (3, 3)
    assert shown.separation()[1, 2] > 5


def test_the_lead_says_what_is_memorized_and_how_many_tests_survive(shown: Study) -> None:
    said = lead(shown)
    assert "At epoch 4, 6 of 6 trained passages are memorized (accuracy 1.00, from 0.0750 at epoch 1)." in said
    assert "Of 6 novel ones none is (accuracy 0.0750, near the chance of 0.0700)." in said
    assert f"{len(shown.survived)} of {shown.tests} tests survive correction." in said


def test_near_chance_needs_an_interval_that_is(shown: Study) -> None:
    (row,) = (row for row in shown.of("reproduction") if row["subject"].startswith("novel against"))
    for low, high, said in ((-0.01, 0.2, "beside a"), (0.06, 0.2, "above the"), (None, None, "beside a")):
        other = replace(shown, findings=[row | {"low": low, "high": high}])
        assert near_chance(other) == f"{said} chance"


def test_a_finding_is_said_with_interval_p_and_verdict(shown: Study) -> None:
    (row,) = (row for row in shown.of("separation") if row["subject"] == "layer 1, epoch 4")
    assert words(row).startswith("layer 1, epoch 4: ")
    assert "standard deviations; p " in words(row)
    assert words(row).endswith("; found")
    (told,) = (row for row in shown.of("onset") if row["subject"].startswith("layer 0"))
    assert words(told) == "layer 0, epoch 1: cannot tell (too few: 6 of at least 10)"


def test_the_report_has_every_test(shown: Study) -> None:
    text = markdown(shown)
    assert text.count("\n- ") == len(shown.findings) + len(shown.survived)
    assert "| 4 | 1.00 | 6 |" in text


def test_the_summary_has_a_row_an_epoch_and_group(shown: Study) -> None:
    table = summary(shown)
    assert table.num_rows == 6
    assert table.column_names[-3:] == ["compression_0", "compression_1", "compression_2"]


def test_a_passage_has_its_texts(view: RunView, shown: Study) -> None:
    found = passage(view, 3)
    assert found is not None
    assert (found.split, found.at(2)["continuation"]) == ("trained", "the end at 2 of 3")
    assert passage(view, 99) is None
    assert passage_names(shown)["3"] == "3: trained, memorized at epoch 2"
    assert passage_names(shown)["7"] == "7: novel, never memorized"


def test_other_runs_are_no_studies(store: Path) -> None:
    catalogue = strobe.open(store).current()
    other = RunView(CatalogueTables(catalogue, str(store)), "grok-p97")
    assert study(other) is None
    assert "mem" in studies(other)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn(store: Path, name: str) -> None:
    svg = make(name, Request(strobe.open(store), ["mem"])).figure.svg()
    assert "epoch" in svg.lower()


@whole_in_ci
def test_the_report_is_written_by_a_command(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "files"
    result = CliRunner().invoke(app, ["study", "report", "mem", "--store", str(store), "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {
        "report.md", "summary.csv", *(f"{name}.{kind}" for name in FIGURES for kind in ("png", "pdf")),
    }  # fmt: skip
    refused = CliRunner().invoke(app, ["study", "report", "grok-p97", "--store", str(store)])
    assert "is no memorization study" in str(refused.exception)
