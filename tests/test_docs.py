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


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *sorted(p.name for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    path = ROOT / page if (ROOT / page).exists() else ROOT / "docs" / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target
