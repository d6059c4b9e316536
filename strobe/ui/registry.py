"""The pages there are, in the order and the groups of the menu."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PAGES: Final = Path(__file__).resolve().parents[2] / "pages"


@dataclass(frozen=True)
class PageSpec:
    """One page: `name` is its file under `pages/` and its address; `answers` is the line beside its title."""

    name: str
    title: str
    icon: str
    group: str
    answers: str

    @property
    def file(self) -> Path:
        return PAGES / f"{self.name}.py"


_ALL: Final = (
    PageSpec("runs", "Runs", ":material/list:", "", "What there is, and how each run ended."),
    PageSpec("curves", "Curves", ":material/show_chart:", "Analyse", "How it went: loss, accuracy, and the norm of every tensor."),
    PageSpec("sql", "SQL", ":material/database:", "Analyse", "Ask the tables yourself."),
)  # fmt: skip


def specs() -> dict[str, PageSpec]:
    """Name -> page, for every page whose file exists."""
    return {page.name: page for page in _ALL if page.file.is_file()}


def navigation(build: Callable[..., Any]) -> Any:
    """`st.navigation` over all pages (`build` is `st.Page`); the first page is the default."""
    import streamlit as st

    groups: dict[str, list[Any]] = {}
    for number, page in enumerate(specs().values()):
        made = build(page.file, title=page.title, icon=page.icon, url_path=page.name, default=number == 0)
        groups.setdefault(page.group, []).append(made)
    return st.navigation(groups)
