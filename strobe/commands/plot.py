"""`strobe plot`: figures for a paper, with no browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strobe.commands.output import visible
from strobe.commands.runs import StoreOption, find_run


def plot(
    panel: Annotated[str, typer.Argument(metavar="PANEL", help="A panel, or report (six on a sheet), or compare.")],
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids, unique names, or folders of runs.")],
    step: Annotated[
        int | None, typer.Option(min=0, help="Moment for panels that show one; default the last.")
    ] = None,
    kind: Annotated[str, typer.Option("--format", help="png, svg or pdf.")] = "png",
    out: Annotated[Path, typer.Option(help="Folder for the file RUN-PANEL[-step-N].KIND.")] = Path(),
    force: Annotated[bool, typer.Option(help="Replace the file if it is there.")] = False,
    store: StoreOption = None,
) -> None:
    """Draw loss, accuracy, gradients, fourier, progress, heads or embedding with legend, labels and units."""
    from etl.errors import StrobeError
    from strobe.charts.export import image
    from strobe.charts.figures import PANELS, SHEETS, Request
    from strobe.settings import open_store

    figures = PANELS | SHEETS
    if panel not in figures:
        raise StrobeError(f"there is no panel {visible(panel)!r}; there are {', '.join(figures)}")
    if kind not in ("png", "svg", "pdf"):
        raise StrobeError(f"no figure of kind {visible(kind)!r}; there are png, svg, pdf")
    opened = open_store(store)
    names = list(dict.fromkeys(find_run(opened, run).id for run in runs))
    moment = f"-step-{step}" if step is not None else ""
    path = out / f"{'-'.join(names)[:120]}-{panel}{moment}.{kind}"
    if path.exists() and not force:
        raise StrobeError(f"{path} is there already; give another --out, or --force to replace it")
    data = image(figures[panel](Request(opened, names, step)), kind)
    out.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    typer.echo(f"{path}: {len(data) / 1e3:,.0f} kB")
