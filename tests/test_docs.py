"""The documentation keeps up with the program: every command, option and environment variable has its words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from strobe.cli import app

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (ROOT / "docs" / "commands.md").read_text()


def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from walk(child, f"{path} {name}")
    else:
        yield path, command


ALL = dict(walk(typer.main.get_command(app), "strobe"))


def section(path: str) -> str:
    """The text from a command's heading to the next heading of the same level; empty when there is none."""
    match = re.search(rf"^## `{re.escape(path)}[^\n]*\n(.*?)(?=^## |\Z)", COMMANDS, re.MULTILINE | re.DOTALL)
    return match[0] if match else ""


def missing(path: str, command: Any, text: str) -> list[str]:
    options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
    return [option for option in options if option not in text and option != "--help"] if text else [path]


@pytest.mark.parametrize("path", ALL)
def test_every_command_and_option_is_documented(path: str) -> None:
    assert missing(path, ALL[path], section(path)) == []


def test_an_undocumented_command_or_option_is_noticed() -> None:
    verify = ALL["strobe verify"]
    assert missing("strobe verify", verify, "") == ["strobe verify"]
    assert missing("strobe verify", verify, "--store only") == ["--json"]


def test_documented_commands_exist() -> None:
    documented = re.findall(r"^## `(strobe [a-z0-9 ]*[a-z0-9])", COMMANDS, re.MULTILINE)
    assert sorted(documented) == sorted(ALL)


def test_every_environment_variable_is_documented() -> None:
    code = "".join(path.read_text() for folder in ("etl", "strobe") for path in (ROOT / folder).rglob("*.py"))
    used = set(re.findall(r"\bSTROBE_[A-Z_]+", code))
    assert used
    assert {name for name in used if name not in COMMANDS} == set()


PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
ROOMS = r"etl|strobe|cuda|pages|tests|docs|bench|examples|\.ci|\.streamlit"
FILES = "py|md|js|css|html|h|cpp|cu|mk|toml|sh"
NAMED = re.compile(rf"(?<![\w./<>*-])(?:(?:{ROOMS})/[\w./*-]*|[\w.-]+(?:/[\w.-]+)+\.(?:{FILES}))(?![\w<])")
"""A file or folder of this repository, or whatever else has a folder and the ending of a source."""
MEMBERS = re.compile(r"`([\w./-]+)`[\s(]+((?:`[\w.]+`[,\s]*)+)\)")
"""A file with names of its own in brackets: `etl/run/journal.py` (`read_lines`)."""


def absent(text: str, folder: Path) -> list[str]:
    """What a page in `folder` names and is not there; what `make` builds is not looked for."""
    names = {name.rstrip(".-") for name in NAMED.findall(text) if not name.startswith("cuda/build/")}
    return sorted(name for name in names if not any(ROOT.glob(name)) and not (folder / name).exists())


def without_definition(text: str) -> list[str]:
    """The names in brackets behind a file that this file does not define."""
    return [
        f"{file}: {name}"
        for file, names in MEMBERS.findall(text)
        for name in re.findall(r"[\w.]+", names)
        if not all(defines((ROOT / file).read_text(), part) for part in name.split("."))
    ]


def defines(source: str, name: str) -> bool:
    """Whether a source of Python, JavaScript or C++ defines a function, a method, a class or a constant."""
    python = rf"(?:def|class) {name}\b|^{name}\b.* = "
    return bool(re.search(rf"{python}|function {name}\(|^\s+{name}\(.*\) {{|::{name}\(", source, re.MULTILINE))


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_files_that_a_page_names_are_there(page: str) -> None:
    assert absent((ROOT / page).read_text(), (ROOT / page).parent) == []


@pytest.mark.parametrize("page", PAGES)
def test_names_that_a_page_gives_with_a_file_are_defined_there(page: str) -> None:
    assert without_definition((ROOT / page).read_text()) == []


def test_a_stale_name_is_noticed() -> None:
    stale = "`etl/snapshot.py`, gpt2/rows.h, strobe/nowhere/, `tests/*/nothing.py`; but etl/run/ and `<run>/x.py`"
    assert absent(stale, ROOT) == ["etl/snapshot.py", "gpt2/rows.h", "strobe/nowhere/", "tests/*/nothing.py"]
    moved = "`etl/run/journal.py` (`read_lines`, `read_nothing`), `strobe/ui/static/clock.js` (`announce`, `gone`)"
    assert without_definition(moved) == ["etl/run/journal.py: read_nothing", "strobe/ui/static/clock.js: gone"]


def test_the_architecture_names_enough_to_be_worth_the_check() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert len(set(NAMED.findall(text))) > 100
    assert len(MEMBERS.findall(text)) > 40


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target
