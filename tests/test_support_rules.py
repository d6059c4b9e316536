"""The house rules of the tests: what they share lies in tests/support, and they mirror the tree that they test."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator

from tests.support.places import ROOT

TESTS = ROOT / "tests"
EDITS = ("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort")


parsed = functools.cache(ast.parse)
"""All rules read the same files."""


def imports_of_tests(source: str) -> Iterator[str]:
    """Every test module or conftest that a source text imports, inside functions too."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module or ''}.{alias.name}" for alias in node.names]
        else:
            continue
        parts = {part for name in names for part in name.split(".")}
        yield from sorted(part for part in parts if part.startswith("test_") or part == "conftest")


def edits_of_the_path(source: str) -> list[int]:
    """The lines where a source text changes sys.path, or has pytest change it."""
    lines = []
    for node in ast.walk(parsed(source)):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete)):
            targets = node.targets if isinstance(node, (ast.Assign, ast.Delete)) else [node.target]
            changed = [target.value if isinstance(target, ast.Subscript) else target for target in targets]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "syspath_prepend":
                lines.append(node.lineno)
            changed = [node.func.value] if node.func.attr in EDITS else []
        else:
            continue
        lines += [node.lineno for target in changed if ast.unparse(target) == "sys.path"]
    return lines


def without_a_room(folders: list[str]) -> list[str]:
    """Those of the folders below tests/etl and tests/strobe that are no package of the code."""
    return [folder for folder in folders if not (ROOT / folder / "__init__.py").is_file()]


def files() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text() for path in TESTS.rglob("*.py")}


def rooms() -> list[str]:
    """etl/run, strobe/ui/sql and so on: what each folder of tests below tests/etl and tests/strobe mirrors."""
    tests = [path.parent for part in ("etl", "strobe") for path in (TESTS / part).rglob("test_*.py")]
    return sorted({str(folder.relative_to(TESTS)) for folder in tests})


def test_no_test_imports_another() -> None:
    assert len(files()) > 60
    assert {name: found for name, source in files().items() if (found := list(imports_of_tests(source)))} == {}


def test_no_test_edits_the_path_of_imports() -> None:
    assert {name: lines for name, source in files().items() if (lines := edits_of_the_path(source))} == {}


def test_every_folder_of_tests_is_named_after_a_package() -> None:
    assert len(rooms()) > 10
    assert without_a_room(rooms()) == []


def test_files_of_tests_lie_in_a_room() -> None:
    """What is neither of etl nor of strobe: browser, C++ programs, benches, and the rules of the whole house."""
    loose = {path.name for path in TESTS.glob("test_*.py") if not path.name.startswith("test_cuda_")}
    assert loose == {"test_docs.py", "test_imports.py", "test_requirements.py", "test_support_rules.py"}
    here = {path.name for path in TESTS.iterdir() if path.is_dir() and list(path.rglob("*.py"))}
    assert here <= {"bench", "browser", "cuda", "etl", "strobe", "support"}


def test_the_checks_themselves_can_fail() -> None:
    wrong = "def f():\n    from tests.etl.run.test_thin import one\n    import tests.browser.conftest\n"
    assert list(imports_of_tests(wrong)) == ["test_thin", "conftest"]
    assert list(imports_of_tests("from . import test_a\nfrom test_b import x\n")) == ["test_a", "test_b"]
    assert list(imports_of_tests("import pytest\nfrom tests.support.make_run import make_run\n")) == []
    for line in (
        "sys.path.insert(0, 'x')", "sys.path = []", "sys.path += ['x']", "sys.path[:0] = ['x']", "del sys.path[0]",
        "monkeypatch.syspath_prepend('x')",
    ):  # fmt: skip
        assert edits_of_the_path(f"import sys\n{line}\n") == [2], line
    assert edits_of_the_path("import sys\nprint(*sys.path)\nos.path.join('a')\n") == []
    assert without_a_room(["etl/run", "etl/nowhere", "strobe/ui/sql"]) == ["etl/nowhere"]
