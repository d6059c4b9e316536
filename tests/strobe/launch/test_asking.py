"""What the app's form lets through, against what the command line lets through; and what a training will take."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from strobe.cli import app
from strobe.commands import train
from strobe.launch.asking import AskedError, asked, parsed
from strobe.launch.programs import PROGRAMS, Program
from tests.support.effort import whole_in_ci

MODADD, TEXT, STUDY = PROGRAMS["modadd"], PROGRAMS["text"], PROGRAMS["study"]
HUGE = "9" * 40


def refused(program: Program, preset: str, typed: dict[str, str]) -> str:
    with pytest.raises(AskedError) as caught:
        asked(program, preset, typed)
    return str(caught.value)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=list(PROGRAMS))
def test_every_field_is_a_flag_of_its_command(program: Program) -> None:
    command: Any = typer.main.get_command(app)
    for word in program.words:
        command = command.commands[word]
    own = {flag: option for option in command.params for flag in option.opts}
    for field in program.fields.values():
        assert own[field.flag].help == field.help, field.name
        assert own[field.flag].min == field.least, field.name
    others = {"--out", "--resume", "--take-over", "--store", f"--{program.chooses}"}
    assert {flag for flag in own if flag.startswith("--")} - others == {f.flag for f in program.fields.values()}


@pytest.mark.parametrize("program", [MODADD, TEXT, STUDY], ids=["modadd", "text", "study"])
def test_defaults_typed_out_are_no_change(program: Program, tmp_path: Path) -> None:
    text = tmp_path / "some.txt"
    text.write_bytes(bytes(10_000))
    for preset in program.presets:
        typed = {name: program.default(preset, field) for name, field in program.fields.items()}
        if program is TEXT:
            typed["data"] = str(text)
        got = asked(program, preset, typed)
        assert [word for word in got.words if "data" not in word] == [*program.words, f"--{program.chooses}={preset}"]


FAULTY = [
    {"steps": "many"}, {"steps": "0"}, {"steps": HUGE}, {"lr": "nan"}, {"lr": "0"}, {"lr": "1e400"},
    {"weight_decay": "-1"}, {"warmup": "-3"}, {"grad_clip": "-1"}, {"batch_size": "some"}, {"batch_size": "0"},
    {"heads": "3"}, {"layers": "0"}, {"modulus": "1"}, {"modulus": HUGE}, {"train_fraction": "1"},
    {"schedule": "9-1"}, {"schedule": "x"}, {"schedule": "0-10/5", "snapshot_every": "5"}, {"snapshot_every": "0"},
    {"steps": "9000000000", "snapshot_every": "1"}, {"keep_last": "0"}, {"max_disk": "much"}, {"threads": "0"},
    {"fc1_band": "-1"}, {"weight_monitor": "yes", "weight_monitor_interval": "0"},
    {"weight_monitor": "yes", "weight_monitor_vanishing": "200"},
]  # fmt: skip


@pytest.mark.parametrize("typed", FAULTY, ids=str)
def test_what_the_form_refuses_the_command_refuses_too(typed: dict[str, str], tmp_path: Path) -> None:
    """By the words of the same rule, or in the parser's own words."""
    pytest.importorskip("torch")
    said = refused(MODADD, "small", typed)
    flags = [
        MODADD.fields[name].flag if value == "yes" else f"{MODADD.fields[name].flag}={value}"
        for name, value in typed.items()
    ]
    done = CliRunner().invoke(app, ["train", "modadd", "--preset=small", f"--out={tmp_path / 'run'}", *flags])
    assert done.exit_code != 0
    assert said in str(done.exception) or "Invalid value" in done.output, (said, done.exception)
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_a_text_or_a_study_is_refused(tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_bytes(b"abc")
    assert "give a text file" in refused(TEXT, "tiny", {})
    assert "cannot be read" in refused(TEXT, "tiny", {"data": str(tmp_path / "none")})
    assert "is no regular file" in refused(TEXT, "tiny", {"data": "/dev/zero"})
    assert "are needed" in refused(TEXT, "tiny", {"data": str(short)})
    assert "NUL" in refused(TEXT, "tiny", {"data": "a\0b"})
    assert "there is no preset of this name" in refused(MODADD, "../etc", {})
    for typed in (
        {"epochs": "0"}, {"epochs": "a"}, {"epochs": "5,1"}, {"passages": "1"}, {"passages": HUGE}, {"tokens": "3"},
        {"seed": "-1"}, {"training": "twice"}, {"threshold": "nan"}, {"heads": "7"}, {"lr": "nan"},
        {"model": str(tmp_path / "none")}, {"batch_size": "0"}, {"threads": "0"},
    ):  # fmt: skip
        refused(STUDY, "quick", typed)


def test_each_fault_is_told_at_its_field() -> None:
    with pytest.raises(AskedError) as caught:
        asked(MODADD, "small", {"steps": "many", "lr": "fast"})
    assert set(caught.value.faults) == {"steps", "lr"}
    for program, preset, typed in (
        (MODADD, "small", {"warmup": "-1"}), (STUDY, "quick", {"epochs": "5,1"}), (STUDY, "quick", {"seed": "-1"}),
    ):  # fmt: skip
        with pytest.raises(AskedError) as caught:
            asked(program, preset, typed)
        assert set(caught.value.faults) == set(typed)
    with pytest.raises(AskedError) as caught:
        asked(TEXT, "tiny", {})
    assert set(caught.value.faults) == {"data"}


def test_words_of_a_value_stay_with_their_flag() -> None:
    got = asked(MODADD, "small", {"device": "--out=/etc", "schedule": "0-10/5"})
    assert got.words == ("train", "modadd", "--preset=small", "--schedule=0-10/5", "--device=--out=/etc")


def test_numbers_are_parsed_as_the_command_line_does() -> None:
    assert parsed(MODADD.fields["steps"], "1_000") == 1000
    assert parsed(MODADD.fields["lr"], "1e-3") == 0.001


def test_a_schedule_says_how_many_snapshots_it_has() -> None:
    got = asked(MODADD, "grok", {})
    assert len(got.snapshots) == 171
    assert not got.auto
    auto = asked(MODADD, "small", {"schedule": "auto,0-100/50", "steps": "300"})
    assert auto.snapshots == (0, 50, 100, 300)
    assert auto.auto
    kept = asked(MODADD, "small", {"keep_last": "3"})
    assert kept.kept == 4
    assert kept.bytes == 4 * kept.snapshot_bytes + kept.state_bytes


@whole_in_ci
@pytest.mark.parametrize(
    ("program", "preset", "typed"),
    [
        (MODADD, "grok", {"steps": "2", "schedule": "0,1"}),
        (MODADD, "small", {"steps": "2", "width": "32", "modulus": "7", "train_fraction": "0.1"}),
        (TEXT, "tiny", {"steps": "1", "threads": "1"}),
        (STUDY, "example", {"epochs": "1,2", "passages": "4"}),
    ],
    ids=["grok", "small", "text", "study"],
)
def test_a_run_takes_what_was_said(program: Program, preset: str, typed: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    if program is TEXT:
        (tmp_path / "text.txt").write_bytes(bytes(range(256)) * 40)
        typed = typed | {"data": str(tmp_path / "text.txt")}
    got = asked(program, preset, typed)
    words = [*got.words, f"--out={tmp_path / 'run'}"]
    if program is STUDY:
        words.append(f"--store={tmp_path / 'store'}")
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (done.output, done.exception)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["snapshot"]["bytes"] == got.snapshot_bytes
    files = sorted((tmp_path / "run").glob("step_*.bin"))
    assert [int(file.stem[5:]) for file in files] == list(got.snapshots)
    assert manifest["model"]["n_params"] == got.parameters
    state = (tmp_path / "run" / "resume" / "state.pt").stat().st_size
    assert 0.9 * got.state_bytes < state < 1.5 * got.state_bytes + 100_000


def test_the_form_needs_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert asked(MODADD, "grok", {}).parameters == 222_080
    with pytest.raises(Exception, match="needs PyTorch"):
        train.need_torch()
