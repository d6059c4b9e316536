"""`strobe plot`: figures for a paper, with no browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strobe.commands import opening
from strobe.commands.output import print_json, print_table, visible
from strobe.commands.runs import JsonOption, StoreOption
from strobe.commands.target import free, writing

if TYPE_CHECKING:
    from strobe.plot.request import Request


def plot(
    panel: Annotated[str, typer.Argument(metavar="PANEL", help="A panel, or report, inside, cost or compare.")],
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN...", help="Ids, unique names, or folders of runs.")
    ] = None,
    step: Annotated[
        int | None, typer.Option(min=0, help="Moment for panels that show one; default the last.")
    ] = None,
    tensor: Annotated[str | None, typer.Option(help="Matrix for weights and spectrum, as fcw.")] = None,
    layer: Annotated[int, typer.Option(min=0, help="Layer of that matrix.")] = 0,
    metric: Annotated[str | None, typer.Option(help="Name, for the panel metric.")] = None,
    kind: Annotated[str, typer.Option("--format", help="png, svg or pdf.")] = "png",
    out: Annotated[Path, typer.Option(help="Folder for the file RUN-PANEL[-step-N].KIND.")] = Path(),
    force: Annotated[bool, typer.Option(help="Replace the file if it is there.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the panels of RUN: strobe plot --list RUN.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a panel, or a sheet of six, with legend, labels and units."""
    from etl.errors import StrobeError
    from strobe.plot.request import Request

    opened = opening.store_at(store)
    names = [panel, *(runs or [])] if listing else runs or []
    if not names:
        raise StrobeError(f"name a run: strobe plot {visible(panel)} RUN; `strobe runs` lists them")
    ids = list(dict.fromkeys(opening.find_run(opened, run).id for run in names))
    request = Request(opened, ids, step, tensor, layer, metric)
    if listing:
        _list(request, as_json)
    else:
        _draw(panel, request, kind, out, force)


def _draw(panel: str, request: Request, kind: str, out: Path, force: bool) -> None:
    from etl.errors import StrobeError
    from etl.replacing import replacing, write_all
    from strobe.charts.export import image
    from strobe.plot.figures import make

    if kind not in ("png", "svg", "pdf"):
        raise StrobeError(f"no figure of kind {visible(kind)!r}; there are png, svg, pdf")
    made = make(panel, request)
    if out.exists() and not out.is_dir():
        raise StrobeError(f"{out} is not a folder; --out names the folder that the file goes to")
    path = free(out / f"{made.name}.{kind}", force)
    data = image(made.figure, kind)
    with writing(path):
        out.mkdir(parents=True, exist_ok=True)
        with replacing(path) as descriptor:
            write_all(descriptor, data)
    for reason in made.missing:
        typer.echo(f"strobe: not drawn: {visible(reason)}", err=True)
    typer.echo(f"{path}: {len(data) / 1e3:,.0f} kB")


def _list(request: Request, as_json: bool) -> None:
    from strobe.plot.figures import SHEETS, available

    rows = [
        {"panel": panel, "shows": shows, "drawable": not reason, "reason": reason or None}
        for panel, shows, reason in available(request)
    ]
    rows += [
        {"panel": name, "shows": ", ".join(panels), "drawable": True, "reason": None}
        for name, panels in SHEETS.items()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["panel", "shows", ""],
        [[str(row["panel"]), str(row["shows"]), "" if row["drawable"] else f"no: {row['reason']}"] for row in rows],
    )  # fmt: skip
