"""The pages there are, in the order and the groups of the menu."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PAGES: Final = Path(__file__).resolve().parents[3] / "pages"


@dataclass(frozen=True)
class PageSpec:
    """One page, without an icon: Streamlit would fetch it from a font server for the browser's tab, and the app works
    offline. `name` is its file under `pages/` and its address; `answers` is the line beside its title."""

    name: str
    title: str
    group: str
    answers: str
    one_run: bool = False
    """Whether of several selected runs the first alone is drawn."""
    needs_run: bool = True
    """Whether there is nothing on it without a run."""

    @property
    def file(self) -> Path:
        return PAGES / f"{self.name}.py"


_ALL: Final = (
    PageSpec("runs", "Runs", "", "What there is, and how each run ended."),
    PageSpec("curves", "Curves", "Analyse", "How it went: loss, accuracy, and the norm of every tensor."),
    PageSpec("compare", "Compare", "Analyse", "What runs did and used, on the same axes."),
    PageSpec("sql", "SQL", "Analyse", "Ask the tables yourself."),
    PageSpec("explorer", "Explorer", "Inside the model", "One moment, everywhere at once."),
    PageSpec("attention", "Attention", "Inside the model", "Who looks at whom, in every head."),
    PageSpec("embeddings", "Embeddings", "Inside the model", "What shape the tokens take."),
    PageSpec("weights", "Weights", "Inside the model", "Matrices, their spectra, and units that died."),
    PageSpec("fourier", "Fourier", "Inside the model", "Which frequencies the network computes with.", True),
    PageSpec("health", "Health", "How it learns", "Whether every tensor learns, and since when one does not.", True),
    PageSpec("memorization", "Memorization", "How it learns", "What is known by heart, and what layers show.", True),
    PageSpec("train", "Train", "Run", "Start a training, and look after the queue.", needs_run=False),
)  # fmt: skip


def specs() -> dict[str, PageSpec]:
    """Name -> page, for every page whose file exists."""
    return {page.name: page for page in _ALL if page.file.is_file()}


def navigation(build: Callable[..., Any]) -> Any:
    """`st.navigation` over all pages (`build` is `st.Page`).

    The default page has no address of its own in Streamlit, so it is a hidden one that goes on to the first: every
    page of ours is then reached by its name, and a link to it works on a fresh server too.
    """
    import streamlit as st

    groups: dict[str, list[Any]] = {}
    pages = {name: build(page.file, title=page.title, url_path=name) for name, page in specs().items()}
    for name, page in specs().items():
        groups.setdefault(page.group, []).append(pages[name])

    def start() -> None:
        st.switch_page(
            next(iter(pages.values())), query_params={name: st.query_params.get_all(name) for name in st.query_params}
        )

    home = build(start, title="Strobe", url_path="home", default=True, visibility="hidden")
    return st.navigation({"": [home, *groups.pop("", [])], **groups})
