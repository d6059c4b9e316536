"""The arrows of the house: what may import what, and what the first page must not wait for."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RULES = (
    ("etl", ("strobe", "pages", "streamlit", "torch")),
    ("strobe", ("pages", "streamlit_app")),
    ("strobe/analysis", ("streamlit", "torch", "strobe.ui", "strobe.charts")),
    ("strobe/charts", ("streamlit", "torch", "strobe.ui")),
    ("strobe/record", ("strobe.train",)),
    ("strobe/train", ("strobe.record",)),
    ("strobe/ui", ("torch", "strobe.train", "strobe.record")),
    ("pages", ("torch", "strobe.train", "strobe.record", "pages")),
)
TORCH = ("strobe/record", "strobe/train", "strobe/studies", "strobe/commands/train.py")
"""Where torch may be imported: what records and trains, and the command that starts it."""


def imported(source: str) -> Iterator[str]:
    """Every module that a source text imports, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def violations(sources: dict[str, str], forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{name} imports {module}"
        for name, source in sources.items()
        for module in imported(source)
        if any(module == bad or module.startswith(bad + ".") for bad in forbidden)
    ]


def sources(folder: str) -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / folder).rglob("*.py")}


@pytest.mark.parametrize(("folder", "forbidden"), RULES)
def test_imports_follow_the_data(folder: str, forbidden: tuple[str, ...]) -> None:
    assert violations(sources(folder), forbidden) == []


def test_torch_stays_where_models_are_trained() -> None:
    elsewhere = {name: text for name, text in sources("strobe").items() if not name.startswith(TORCH)}
    assert violations(elsewhere, ("torch",)) == []


def test_the_check_itself_can_fail() -> None:
    wrong = {
        "a.py": "def f():\n    from strobe.ui import frame\n",
        "b.py": "import torch.nn as nn\n",
        "c.py": "import torchless\n",
    }
    assert violations(wrong, ("strobe.ui", "torch")) == [
        "a.py imports strobe.ui",
        "a.py imports strobe.ui.frame",
        "b.py imports torch.nn",
    ]


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


HEAVY = {"umap", "sklearn", "numba", "torch", "plotly", "altair", "vl_convert"}


def test_the_first_page_waits_for_nothing_heavy() -> None:
    page = str(ROOT / "streamlit_app.py")
    code = f"""from streamlit.testing.v1 import AppTest
at = AppTest.from_file({page!r}, default_timeout=60).run()
assert not at.exception"""
    # What Streamlit and its AppTest bring by themselves is not ours to keep out.
    assert (loaded(code) - loaded("from streamlit.testing.v1 import AppTest")) & HEAVY == set()


def test_no_module_of_the_pages_imports_anything_heavy() -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "strobe" / "ui").rglob("*.py")
        if path.stem != "__init__"
    ]
    assert len(names) > 30
    assert (loaded("import " + ", ".join(names)) - loaded("import streamlit")) & HEAVY == set()


def test_the_command_line_is_light() -> None:
    assert loaded("import strobe.cli") & (HEAVY | {"streamlit", "duckdb", "pandas", "pyarrow"}) == set()


def test_a_heavy_import_would_be_seen() -> None:
    assert "altair" in loaded("import altair") & HEAVY
