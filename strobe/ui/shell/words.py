"""Names and sentences as HTML and Markdown: they are data, escaped here and nowhere rendered as Markdown."""

from __future__ import annotations

import html
import re

import streamlit as st

from strobe.charts import axes
from strobe.charts.theme import Look
from strobe.views.words import number, visible


def escaped(name: object, most: int = 200) -> str:
    """A name ready for HTML, cut at `most` characters."""
    return html.escape(visible(name, most), quote=True)


def sentence(text: object, most: int = 200) -> str:
    """A sentence ready for HTML, `commands` in it set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped(text, most))


def markup(template: str, **names: object) -> None:
    """Shows our own HTML with `{names}` escaped into it: nothing in a name becomes a tag, a link or a formula."""
    st.html(template.format(**{key: escaped(value) for key, value in names.items()}))


def dot_style(look: Look) -> str:
    """CSS of the dot that stands for a run: half of it is empty where its lines are dashed."""
    fill = f"linear-gradient(90deg,{look.colour} 50%,transparent 50%)" if look.turn else look.colour
    return f"background:{fill};border:1.5px solid {look.colour};box-sizing:border-box"


def inert(name: object, most: int = 200) -> str:
    """A name for a place where only Markdown goes (labels, notices), cut at `most` characters: every punctuation mark
    escaped."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", visible(name, most))


def ends(low: float, high: float) -> tuple[str, str]:
    """Both ends of a scale in as few figures as tell them apart."""
    return axes.ends(low, high, number)
