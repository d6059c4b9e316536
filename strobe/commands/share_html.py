"""What `strobe share --html` puts into its one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from etl.errors import StrobeError
from strobe.commands.output import terminal_number

if TYPE_CHECKING:
    from etl.store.catalogue import Store
    from etl.store.stored_run import StoredRun
    from strobe.share.report import RunPage
    from strobe.share.scrub import Scrubber

_FIGURES = ("report", "inside")
_COLUMNS = ("metric", "unit", "n", "last", "min", "at step", "max", "at step", "non-finite")
_FACTS = {
    "status": "status", "task": "task", "steps": "steps", "n_params": "parameters", "n_layer": "layers",
    "n_head": "heads", "n_embd": "width", "device": "device",
}  # fmt: skip


def html(store: Store, runs: Sequence[StoredRun]) -> str:
    """The report of some runs, as one file. The figures are those of `strobe plot report` and `inside`."""
    from strobe.share.report import report
    from strobe.share.scrub import here

    scrubber = here([json.loads(run.row["config"] or "{}") for run in runs])
    pages = [_page(store, run, scrubber) for run in runs]
    # Before figures are encoded: base64 has every word in it sooner or later.
    texts = [report("", [replace(page, figures=())]) for page in pages]
    texts += [svg.decode() for page in pages for _, svg in page.figures]
    if found := next(filter(None, map(scrubber.finds, texts)), ""):
        raise StrobeError(f"the file would tell {found!r:.80}, a name of this machine or of whoever trained")
    return report(", ".join(page.name for page in pages), pages)


def _page(store: Store, run: StoredRun, scrubber: Scrubber) -> RunPage:
    from strobe.share.report import RunPage
    from strobe.views.milestones import milestones
    from strobe.views.run_view import CatalogueTables
    from strobe.views.words import thinned

    catalogue = store.current()
    metrics = catalogue.query("SELECT * EXCLUDE run FROM metrics WHERE run = $1 ORDER BY name", [run.id]).to_pylist()
    keys = ("n", "last_value", "min", "min_step", "max", "max_step", "nonfinite")
    rows = [[row["name"], row["unit"] or "", *(terminal_number(row[key]) for key in keys)] for row in metrics]
    figures, missing = _figures(store, run)
    less = thinned(run.row["reduced"])
    found = milestones(CatalogueTables(catalogue), run.id)
    sentences = [found.sentence(), found.rules(), f"Thinned to travel: {less}." if less else "", *missing]
    facts = [(words, _plain(run.row[name])) for name, words in _FACTS.items() if run.row[name] is not None]
    return RunPage(
        scrubber.text(run.row["name"] or run.id), [(name, scrubber.text(value)) for name, value in facts],
        [scrubber.text(sentence) for sentence in sentences], figures, _COLUMNS,
        [[scrubber.text(cell) for cell in row] for row in rows],
    )  # fmt: skip


def _plain(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _figures(store: Store, run: StoredRun) -> tuple[list[tuple[str, bytes]], list[str]]:
    """The sheets that can be drawn, and why others cannot."""
    from strobe.charts.export import image
    from strobe.plot.figures import make
    from strobe.plot.request import Request

    drawn, missing = [], []
    for name in _FIGURES if run.steps() else _FIGURES[:1]:
        try:
            drawn.append((f"{name} of {run.id}", image(make(name, Request(store, [run.id])).figure, "svg")))
        except (StrobeError, OSError) as error:
            missing.append(f"Not drawn: {name}, since {error}.")
    return drawn, missing
