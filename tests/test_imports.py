"""The arrows of the house: what may import what, and what the first page must not wait for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.imports import (
    HOUSES,
    circle,
    graph,
    imported,
    imports,
    module_name,
    modules_imported,
    rooms,
    sources,
)
from tests.support.places import ROOT

FOREIGN = (
    ("etl", ("streamlit", "torch")),
    ("strobe/analysis", ("streamlit", "torch")),
    ("strobe/charts", ("streamlit", "torch")),
    ("strobe/derive", ("streamlit", "torch")),
    ("strobe/views", ("streamlit", "torch")),
    ("strobe/plot", ("streamlit", "torch")),
    ("strobe/record", ("streamlit",)),
    ("strobe/train", ("streamlit",)),
    ("strobe/ui", ("torch",)),
    ("strobe/jobs", ("streamlit", "torch")),
    ("strobe/share", ("streamlit", "torch")),
    ("strobe/launch", ("streamlit", "torch")),
    ("pages", ("torch",)),
)
"""Where the heavy packages of others may not be imported, not even lazily."""
TORCH = ("strobe/record", "strobe/train", "strobe/studies", "strobe/commands/train.py")
"""Where torch may be imported: what records and trains, and the command that starts it."""

SUMS = ("etl", "strobe.analysis")
SHOWN = (*SUMS, "strobe.derive", "strobe.views")
ARROWS = (
    ("etl", ("etl",)),
    ("strobe/analysis", SUMS),
    ("strobe/charts", ("etl", "strobe.charts")),
    ("strobe/derive", (*SUMS, "strobe.derive")),
    ("strobe/views", SHOWN),
    ("strobe/plot", (*SHOWN, "strobe.charts", "strobe.plot")),
    ("strobe/ui", (
        *SHOWN, "strobe.charts", "strobe.ui", "strobe.settings", "strobe.saved_queries", "strobe.rows",
        "strobe.jobs", "strobe.launch",
    )),
    ("strobe/record", (*SUMS, "strobe.record", "strobe.settings", "strobe.version")),
    ("strobe/train", (*SUMS, "strobe.train")),
    ("strobe/jobs", ("etl", "strobe.jobs")),
    ("strobe/share", (*SUMS, "strobe.derive", "strobe.share", "strobe.version")),
    ("strobe/launch", (*SUMS, "strobe.launch", "strobe.record", "strobe.train", "strobe.studies")),
    ("strobe/studies", (*SHOWN, "strobe.record", "strobe.train", "strobe.studies", "strobe.settings")),
    ("pages", (*SHOWN, "strobe.charts", "strobe.plot", "strobe.ui", "strobe.settings")),
    ("strobe/rows.py", ()),
    ("strobe/version.py", ()),
    ("strobe/settings.py", ("etl", "strobe.derive")),
    ("strobe/saved_queries.py", ("etl", "strobe.settings")),
    ("strobe/doctor.py", ("etl", "strobe.settings")),
    ("strobe/example.py", ("etl", "strobe.derive")),
    ("strobe/__init__.py", ("etl", "strobe.settings", "strobe.record", "strobe.studies", "strobe.version")),
    ("strobe/__main__.py", ("strobe.entry",)),
    ("strobe/entry.py", ("etl", "strobe.cli", "strobe.interrupts")),
    ("strobe/interrupts.py", ()),
    ("strobe/cli.py", ("etl", "strobe.commands", "strobe.version")),
    ("strobe/commands", (
        *SHOWN, "strobe.charts", "strobe.plot", "strobe.record", "strobe.train", "strobe.studies", "strobe.commands",
        "strobe.jobs", "strobe.launch", "strobe.share", "strobe.doctor", "strobe.example", "strobe.rows",
        "strobe.saved_queries", "strobe.settings",
    )),
)  # fmt: skip
"""Which of our modules each room may import."""
LAZY = {
    (
        "strobe/ui/panel/movie_child.py",
        "strobe.plot.movies",
    ): "what makes the command line's movies makes the app's",
}
"""Arrows against the order, each with its reason: inside a function alone."""


def below(module: str, places: tuple[str, ...]) -> bool:
    return any(module == place or module.startswith(place + ".") for place in places)


def violations(texts: dict[str, str], forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{name} imports {module}"
        for name, text in texts.items()
        for module in imported(text)
        if below(module, forbidden)
    ]


OURS = {path: text for place in (*HOUSES, "pages") for path, text in sources(place).items()}
OURS |= {path: "" for place in ("cuda", "tests", "bench") for path in sources(place)} | sources("streamlit_app.py")
KNOWN = {module_name(path) for path in OURS}


def strays(texts: dict[str, str], allowed: tuple[str, ...]) -> list[str]:
    """The arrows to modules of ours that are not among `allowed` and not LAZY."""
    return [
        f"{path} imports {module}"
        for path, text in texts.items()
        for module in sorted(modules_imported(text, KNOWN))
        if not below(module, allowed)
        and ((path, module) not in LAZY or module in modules_imported(text, KNOWN, lazy=False))
    ]


@pytest.mark.parametrize(("place", "allowed"), ARROWS)
def test_imports_follow_the_data(place: str, allowed: tuple[str, ...]) -> None:
    assert strays(sources(place), allowed) == []


def test_every_module_is_in_a_room_that_has_its_rule() -> None:
    places = tuple(place.removesuffix(".py").replace("/", ".") for place, _ in ARROWS)
    ours = [name for name in map(module_name, OURS) if below(name, ("etl", "strobe", "pages"))]
    assert [name for name in ours if not below(name, places)] == ["strobe"]
    assert "strobe.__init__" in places


@pytest.mark.parametrize(("path", "module"), LAZY)
def test_every_exception_is_used(path: str, module: str) -> None:
    assert module in modules_imported((ROOT / path).read_text(), KNOWN)


@pytest.mark.parametrize(("place", "forbidden"), FOREIGN)
def test_heavy_packages_stay_out(place: str, forbidden: tuple[str, ...]) -> None:
    assert violations(sources(place), forbidden) == []


def test_torch_stays_where_models_are_trained() -> None:
    elsewhere = {name: text for name, text in sources("strobe").items() if not name.startswith(TORCH)}
    assert violations(elsewhere, ("torch",)) == []


def test_no_import_is_relative() -> None:
    """The checks here read whole names."""
    dots = [path for path, text in OURS.items() for node in imports(text) if getattr(node, "level", 0)]
    assert dots == []


@pytest.mark.parametrize("lazy", [False, True], ids=["at the top", "inside functions too"])
def test_modules_import_in_no_circle(lazy: bool) -> None:
    assert circle(graph(OURS, lazy=lazy)) == []


@pytest.mark.parametrize("lazy", [False, True], ids=["at the top", "inside functions too"])
def test_rooms_import_in_no_circle(lazy: bool) -> None:
    arrows = rooms(OURS, lazy=lazy)
    assert {"etl.run", "etl.store", "strobe.views", "strobe.ui.shell", "strobe.settings"} <= arrows.keys()
    assert circle(arrows) == []


def test_a_forbidden_package_would_be_seen() -> None:
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


WRONG = {
    "etl": "from strobe import settings",
    "strobe/analysis": "from strobe.views.budget import evenly",
    "strobe/charts": "from strobe.views import words",
    "strobe/derive": "def f():\n    from strobe.views.milestones import milestones",
    "strobe/views": "import strobe.charts.axes",
    "strobe/plot": "from strobe.ui.panel import panel",
    "strobe/ui": "from strobe.plot.request import Request",
    "strobe/record": "from strobe.train.config import Config",
    "strobe/train": "from strobe.record.recorder import Recorder",
    "strobe/commands": "from strobe.ui.shell import page",
    "strobe/settings.py": "from strobe.commands import plot",
    "pages": "from pages import runs",
}


@pytest.mark.parametrize("place", WRONG)
def test_a_wrong_arrow_would_be_seen(place: str) -> None:
    assert len(strays({f"{place}/planted.py": WRONG[place]}, dict(ARROWS)[place])) == 1


def test_an_exception_holds_for_its_own_module_and_inside_a_function_only() -> None:
    ((path, module),) = LAZY
    allowed = dict(ARROWS)["strobe/ui"]
    inside, outside = f"def f():\n    from {module} import Movie\n", f"from {module} import Movie\n"
    assert strays({path: inside}, allowed) == []
    assert strays({path: outside}, allowed) == [f"{path} imports {module}"]
    assert strays({"strobe/ui/panel/other.py": inside}, allowed) == [f"strobe/ui/panel/other.py imports {module}"]


def test_a_circle_would_be_seen() -> None:
    texts = {
        "etl/a.py": "from etl import b",
        "etl/b.py": "def f():\n    from etl.a import x\n",
        "etl/run/c.py": "import etl.sql.d",
        "etl/run/e.py": "",
        "etl/sql/d.py": "from etl.run.e import y",
    }
    assert circle(graph(texts, lazy=False)) == []
    assert set(circle(graph(texts, lazy=True))) == {"etl.a", "etl.b"}
    assert set(circle(rooms(texts, lazy=False))) == {"etl.run", "etl.sql"}
    typed = {"etl/a.py": "from etl import b", "etl/b.py": "if TYPE_CHECKING:\n    from etl.a import x\n"}
    assert circle(graph(typed, lazy=False)) == []


def loaded(code: str, after: str = "") -> set[str]:
    """The modules that `code` loads, but for those that came with what ran before it."""
    whole = f"{after}\nimport sys; before = set(sys.modules)\n{code}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"umap", "sklearn", "numba", "torch", "plotly", "altair", "vl_convert"}


def test_the_first_page_waits_for_nothing_heavy() -> None:
    page = str(ROOT / "streamlit_app.py")
    code = f"""at = AppTest.from_file({page!r}, default_timeout=60).run()
assert not at.exception"""
    # What Streamlit and its AppTest bring by themselves is not ours to keep out.
    assert loaded(code, after="from streamlit.testing.v1 import AppTest") & HEAVY == set()


def test_no_module_of_the_pages_imports_anything_heavy() -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "strobe" / "ui").rglob("*.py")
        if path.stem != "__init__"
    ]
    assert len(names) > 30
    assert loaded("import " + ", ".join(names), after="import streamlit") & HEAVY == set()


def test_the_command_line_is_light() -> None:
    assert loaded("import strobe.cli") & (HEAVY | {"streamlit", "duckdb", "pandas", "pyarrow"}) == set()


def test_a_heavy_import_would_be_seen() -> None:
    assert "altair" in loaded("import altair") & HEAVY
