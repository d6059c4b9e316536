"""One file of HTML that opens without a server or a network: what is known of some runs, and their figures."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from strobe.version import __version__

_STYLE: Final = """body{font:16px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem;
color:#1B1F27;background:#fff}h1{font-size:1.5rem}h2{margin-top:2.5rem}img{max-width:100%;height:auto}
table{border-collapse:collapse;font-size:.85rem;display:block;overflow-x:auto}
td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #E3E6EB}
td:first-child,th:first-child{text-align:left}
p{overflow-wrap:anywhere}.small{color:#5A6270;font-size:.85rem}"""
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Nothing is fetched and nothing runs, whatever a run is called."""


@dataclass(frozen=True)
class RunPage:
    """What the report has of one run: texts as data, figures as (words for who cannot see it, SVG)."""

    name: str
    facts: Sequence[tuple[str, str]]
    sentences: Sequence[str]
    figures: Sequence[tuple[str, bytes]]
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default_factory=list)


def report(title: str, runs: Sequence[RunPage]) -> str:
    """The whole file; every text is escaped, every figure is inside."""
    body = "\n".join(_run(run) for run in runs)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><title>{html.escape(title)}</title>
<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>
{body}
<p class="small">Made by Strobe {html.escape(__version__)} from the tables of these runs.</p></body></html>
"""


def _run(run: RunPage) -> str:
    facts = " · ".join(f"{html.escape(name)} {html.escape(value)}" for name, value in run.facts)
    said = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in run.sentences if sentence)
    drawn = "".join(
        f'<p><img alt="{html.escape(words)}" src="data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"></p>'
        for words, svg in run.figures
    )
    return f'<h2>{html.escape(run.name)}</h2><p class="small">{facts}</p>{said}{drawn}{_table(run)}'


def _table(run: RunPage) -> str:
    if not run.rows:
        return ""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in run.columns)
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in run.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
