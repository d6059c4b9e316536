"""Figures of the embedded run: every panel in every format, named by run, view and step."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from typer.testing import CliRunner

from etl.errors import StrobeError
from etl.ingest.load import ingest
from strobe.cli import app
from strobe.plot import memorization
from strobe.plot.figures import MOMENTS, PANELS, SHEETS
from tests.support.foreign_logs import FOREIGN
from tests.support.llm_logs import llmc, loss_alone, training_logger
from tests.support.make_run import make_run

MAGIC = {"png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF"}

NOT_OF_IT = {"mfu", "memory", *(name for name, draw in PANELS.items() if draw.__module__ == memorization.__name__)}
"""Panels of what the embedded run did not record, and of studies."""

pytestmark = pytest.mark.usefixtures("here")


def plot(*words: str) -> str:
    result = CliRunner().invoke(app, ["plot", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def words_of(path: Path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("panel", [name for name in (*PANELS, *SHEETS) if name not in NOT_OF_IT])
def test_every_panel_of_the_embedded_run(here: Path, panel: str) -> None:
    more = ["--metric", "learning_rate"] if panel == "metric" else []
    plot(panel, "grok-p97", "--format", "svg", *more)
    (path,) = here.glob("*.svg")
    of_a_moment = {*MOMENTS, "report", "inside"}
    which = "-learning_rate" if panel == "metric" else ""
    assert path.name == f"grok-p97-{panel}{which}{'-step-14000' if panel in of_a_moment else ''}.svg"
    texts = words_of(path)
    assert any(panel.capitalize().replace("_", " ") in text or text == "grok-p97" for text in texts)
    for words in SAYS.get(panel, ["step"]):
        assert words in " ".join(texts), (words, texts)


SAYS = {
    "loss": ["loss (nats)", "test", "train", "onset 6,300"], "gradients": ["gradient, L2 norm (log scale)", "wte"],
    "attention": ["attention weight", "query", "key", "head 3", "="], "weights": ["fcw.0, weight", "out", "in", "×"],
    "spectrum": ["singular value", "128 singular values at step 14,000"], "frequencies": ["frequency", "norm"],
    "tokens": ["tokens (millions)", "target", "20 a parameter"], "throughput": ["thousand tokens/s"],
    "cost": ["Learning rate", "Tokens", "Throughput", "Not drawn: MFU: grok-p97: no MFU was logged"],
    "perplexity": ["loss", "perplexity", "validation"],
    "embedding": ["first principal axis", "second principal axis", "="],
}  # fmt: skip


def test_what_trainings_used_stands_on_one_sheet(here: Path) -> None:
    for name in ("a", "b"):
        rows = [FOREIGN["training_logger"].row(place) for place in range(12)]
        config = {"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 8, "batch_size": 2}
        document = {"run_name": name, "training_iterations": rows, "config": config}
        (here / f"{name}.json").write_text(json.dumps(document))
    ingest([here / "a.json", here / "b.json"], here / "store")
    plot("cost", "a", "b", "--format", "svg", "--store", str(here / "store"))
    (path,) = here.glob("a-b-cost.svg")
    words = " ".join(words_of(path))
    for said in (
        "MFU (%)",
        "memory (GB)",
        "peak",
        "Not drawn",
        "Learning rate: a and b: no learning rate",
        "perplexity",
    ):
        assert said in words, said


def test_what_a_sheet_cannot_show_is_said_on_it_and_on_stderr(here: Path) -> None:
    run = make_run(here / "runs" / "bare", steps=range(0, 301, 100))
    ingest([run], here / "store")
    result = CliRunner().invoke(app, ["plot", "report", "bare", "--format", "svg"], catch_exceptions=False)
    (path,) = here.glob("bare-report*.svg")
    assert "not drawn: progress: no forward pass for this model" in result.stderr
    assert "not drawn: fourier: nothing derived yet; `strobe analyze bare`" in result.stderr
    sheet = " ".join(words_of(path))
    assert "progress: no forward pass for this model" in sheet
    assert "fourier: nothing derived yet" in sheet
    assert "not drawn: loss" not in result.stderr


def test_the_list_says_what_there_is_and_why_the_rest_is_not(here: Path) -> None:
    run = make_run(here / "runs" / "bare", steps=range(0, 301, 100))
    ingest([run], here / "store")
    rows = {row["panel"]: row for row in json.loads(plot("--list", "bare", "--json"))}
    assert set(rows) == {*PANELS, *SHEETS}
    assert rows["loss"]["drawable"]
    assert "strobe analyze bare" in rows["fourier"]["reason"]
    assert "loss" in plot("--list", "bare")


def test_a_matrix_and_a_moment_are_named_in_the_file(here: Path) -> None:
    plot("weights", "grok-p97", "--tensor", "wte", "--step", "5000", "--format", "svg")
    (path,) = here.glob("*.svg")
    assert path.name == "grok-p97-weights-wte-step-4700.svg"
    assert "Weights · step 4,700" in " ".join(words_of(path))


def test_a_figure_replaces_whole_or_not_at_all(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plot("loss", "grok-p97")
    before = (here / "grok-p97-loss.png").read_bytes()
    monkeypatch.setattr("etl.replacing.write_all", _full_disk)
    with pytest.raises(StrobeError, match="full"):
        plot("loss", "grok-p97", "--force")
    assert (here / "grok-p97-loss.png").read_bytes() == before
    assert [path.name for path in here.iterdir() if path.is_file()] == ["grok-p97-loss.png"]


def _full_disk(descriptor: int, data: bytes) -> None:
    raise OSError("the disk is full")


@pytest.mark.parametrize("kind", MAGIC)
def test_every_format_and_the_name_of_the_file(here: Path, kind: str) -> None:
    plot("embedding", "grok-p97", "--step", "7200", "--format", kind, "--out", "figures")
    assert (here / "figures" / f"grok-p97-embedding-step-7200.{kind}").read_bytes().startswith(MAGIC[kind])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["magic", "grok-p97"], "there are loss, accuracy"),
        (["loss", "grok-p97", "--format", "gif"], "there are png, svg, pdf"),
        (["loss", "nobody"], "no run 'nobody'"),
        (["loss"], "name a run"),
        (["weights", "grok-p97", "--tensor", "nope"], "no params/nope"),
        (["weights", "grok-p97", "--layer", "3"], "fcw has 1 layers"),
        (["weights", "grok-p97", "--tensor", "wte", "--layer", "3"], "wte has no layers"),
        (["spectrum", "grok-p97", "--tensor", "wte", "--layer", "3"], "wte has no layers"),
        (["spectrum", "grok-p97", "--layer", "3"], "fcw has 1 layers"),
        (["spectrum", "grok-p97", "--tensor", "nope"], "singular values of nope; there are attprojw"),
        (["metric", "grok-p97"], "name the metric with --metric"),
        (["metric", "grok-p97", "--metric", "nope"], "no nope was recorded"),
        (["embedding", "grok-p97", "--out", "grok"], ""),
    ],
)
def test_what_cannot_be_drawn_is_said(words: list[str], message: str) -> None:
    if not message:
        plot(*words)
        message = "--force"
    with pytest.raises(StrobeError, match=message):
        CliRunner().invoke(app, ["plot", *words], catch_exceptions=False)


def test_a_panel_of_one_run_does_not_pass_for_one_of_two(here: Path) -> None:
    ingest([make_run(here / "runs" / "other", steps=range(0, 301, 100))], here / "store")
    with pytest.raises(StrobeError, match="gradients shows one run"):
        plot("gradients", "grok-p97", "other")
    plot("compare", "grok-p97", "other", "--format", "svg")
    assert {"grok-p97", "other"} <= set(words_of(here / "grok-p97-other-compare.svg"))


def test_a_place_that_is_no_folder_is_one_line(here: Path) -> None:
    (here / "file").write_text("mine")
    for out, words in {"file": "not a folder", "file/x": "cannot be written", "/proc": "cannot be written"}.items():
        with pytest.raises(StrobeError, match=words):
            plot("loss", "grok-p97", "--format", "svg", "--out", out)
    assert [path.name for path in here.iterdir()] == ["file"]


def test_a_report_of_logs_is_what_they_used_one_file_each(here: Path) -> None:
    logs = [
        training_logger(here, "a", steps=60),
        llmc(here, "b", steps=40, lost_from=20),
        loss_alone(here, "c", steps=9),
    ]
    ingest(logs, here / "store")
    plot("report", "a", "b", "--format", "svg", "--out", "figures")
    assert sorted(path.name for path in (here / "figures").iterdir()) == ["a-report.svg", "b-report.svg"]
    words = " ".join(words_of(here / "figures" / "b-report.svg"))
    for said in (
        "Loss",
        "perplexity",
        "MFU",
        "train loss not finite from step 20 on",
        "Memory: b: no memory was logged",
    ):
        assert said in words, said
    plot("report", "a", "b", "c", "-o", "one.svg")
    assert {"a", "b", "c"} <= set(words_of(here / "one.svg"))


def test_a_png_is_of_300_dots_to_the_inch(here: Path) -> None:
    ingest([loss_alone(here, "c", steps=9)], here / "store")
    plot("compare", "c", "-o", "c.png")
    with Image.open(here / "c.png") as picture:
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        assert picture.width == pytest.approx((480 + 24) * 300 / 96, abs=2)


def test_every_run_on_its_own_and_one_that_cannot_be_drawn_costs_no_other(here: Path) -> None:
    ingest([llmc(here, "b", steps=40), loss_alone(here, "c", steps=9)], here / "store")
    result = CliRunner().invoke(app, ["plot", "mfu", "--all", "--each", "--format", "svg"])
    assert isinstance(result.exception, StrobeError)
    assert "runs could not be drawn" in str(result.exception)
    assert "c: no MFU was recorded: c: no MFU was logged" in result.stderr
    assert (here / "b-mfu.svg").is_file()


def test_all_runs_are_those_of_the_store_without_the_example_beside_it(here: Path) -> None:
    with pytest.raises(StrobeError, match="no run of its own"):
        plot("loss", "--all", "--each")
    ingest([loss_alone(here, "c", steps=9)], here / "store")
    plot("loss", "--all", "--each", "--format", "svg")
    assert [path.name for path in here.glob("*.svg")] == ["c-loss.svg"]


def test_several_files_do_not_go_into_one(here: Path) -> None:
    ingest([llmc(here, "b", steps=9), loss_alone(here, "c", steps=9)], here / "store")
    with pytest.raises(StrobeError, match="needs a folder"):
        plot("mfu", "b", "c", "--each", "-o", "out.png")


def test_beyond_eight_runs_the_others_are_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("strobe.plot.compared", "strobe.plot.request"):
        monkeypatch.setattr(f"{module}.MOST_RUNS", 2)
    ingest([loss_alone(here, name, steps=5) for name in ("a", "b", "c")], here / "store")
    plot("compare", "a", "b", "c", "-o", "all.svg")
    assert "Not drawn: 1 of 3 runs (c);" in " ".join(words_of(here / "all.svg"))
