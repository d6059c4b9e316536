"""Who imports whom, read from the text of the modules: nothing is imported to find out."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

from tests.support.places import ROOT

HOUSES: Final = ("etl", "strobe")
"""The folders whose modules alone make a program; `pages` and `tests` stand on top of them."""


def module_name(path: str) -> str:
    """`strobe/ui/panel/movie.py` -> `strobe.ui.panel.movie`; an `__init__.py` is its package."""
    parts = Path(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(place: str) -> dict[str, str]:
    """Path below the root -> text, of a folder's modules, or of the one file that `place` is."""
    paths = (ROOT / place).rglob("*.py") if (ROOT / place).is_dir() else [ROOT / place]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


@cache
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def imports(source: str, *, lazy: bool = True) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements of a text; without `lazy`, those alone that run when the module itself is imported."""
    waiting: list[ast.AST] = [_parsed(source)]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not lazy and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        elif not lazy and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
        else:
            waiting.extend(ast.iter_child_nodes(node))


def imported(source: str) -> Iterator[str]:
    """Every name that a source text imports, inside functions too: modules, and what is taken from them."""
    for node in imports(source):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules_imported(source: str, known: Collection[str], *, lazy: bool = True) -> set[str]:
    """Which of the modules `known` a text imports: `from strobe import rows` is strobe.rows, not the package."""
    names: set[str] = set()
    for node in imports(source, lazy=lazy):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif node.module:
            inner = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            names |= {full if full in known else node.module for full in inner.values()}
    return names & set(known)


def graph(texts: dict[str, str], *, lazy: bool) -> dict[str, set[str]]:
    """Module -> the modules among `texts` (path -> text) that it imports."""
    known = {module_name(path) for path in texts}
    return {
        module_name(path): modules_imported(text, known, lazy=lazy) - {module_name(path)}
        for path, text in texts.items()
    }


def room(path: str) -> str:
    """The folder of a module; a module beside the rooms is a room of its own. The readers of foreign logs, and
    what they share, count as `etl.ingest`: they follow the protocol that lies there, and are found from there."""
    folder = Path(path).parent
    if len(folder.parts) < 2:
        return module_name(path)
    return "etl.ingest" if folder.name in ("sources", "reading") else ".".join(folder.parts)


def rooms(texts: dict[str, str], *, lazy: bool) -> dict[str, set[str]]:
    """Room -> the other rooms that its modules import."""
    rooms_of = {module_name(path): room(path) for path in texts}
    arrows: dict[str, set[str]] = {}
    for module, others in graph(texts, lazy=lazy).items():
        here = rooms_of[module]
        arrows.setdefault(here, set()).update(rooms_of[other] for other in others if rooms_of[other] != here)
    return arrows


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """One circle of a graph, its first node again at the end; empty where there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []
