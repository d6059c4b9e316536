"""`strobe plot`: figures for a paper, with no browser."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strobe.commands import opening
from strobe.commands.output import print_json, print_table, visible
from strobe.commands.runs import JsonOption, StoreOption
from strobe.commands.target import free, writing

if TYPE_CHECKING:
    from etl.store.catalogue import Store
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
    per_parameter: Annotated[
        float, typer.Option(min=0.001, help="Tokens a parameter of the target that tokens stand beside.")
    ] = 20.0,
    kind: Annotated[str, typer.Option("--format", help="png, svg or pdf.")] = "png",
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="A file that ends in .png, .svg or .pdf, or a folder for the file RUN-PANEL[-step-N].KIND.",
        ),
    ] = Path(),
    each: Annotated[bool, typer.Option("--each", help="A file for each run.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Every run of the store; no example beside it.")] = False,
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
    if every:
        ids = _own(opened)
    elif not names:
        raise StrobeError(f"name a run: strobe plot {visible(panel)} RUN; `strobe runs` lists them")
    else:
        ids = list(dict.fromkeys(opening.find_run(opened, run).id for run in names))
    request = Request(opened, ids, step, tensor, layer, metric, per_parameter)
    target = _Target(out, kind, force)
    if listing:
        _list(request, as_json)
    elif each or (panel == "report" and len(ids) > 1 and not target.is_file):
        _draw_each(panel, request, target)
    else:
        _draw(panel, request, target)


def _own(store: Store) -> list[str]:
    """The runs of the store without those of stores attached to it. Raises StrobeError where it has none."""
    from etl.errors import StrobeError

    catalogue = store.current()
    own = [run for run in catalogue.runs()["run"].to_pylist() if not catalogue.pointer(run)[0].attached]
    if not own:
        raise StrobeError("the store has no run of its own; an example is drawn where it is named")
    return own


@dataclass(frozen=True)
class _Target:
    """Where figures go: a file by its name's end, or a folder for files of a kind."""

    out: Path
    kind: str
    force: bool

    @property
    def is_file(self) -> bool:
        return self.out.suffix.lower() in (".png", ".svg", ".pdf") and not self.out.is_dir()

    def place(self, name: str) -> tuple[Path, str]:
        """The file of a figure and its kind. Raises StrobeError where it cannot be there."""
        from etl.errors import StrobeError

        kind = self.out.suffix.lower()[1:] if self.is_file else self.kind
        if kind not in ("png", "svg", "pdf"):
            raise StrobeError(f"no figure of kind {visible(kind)!r}; there are png, svg, pdf")
        if not self.is_file and self.out.exists() and not self.out.is_dir():
            raise StrobeError(f"{self.out} is not a folder; --out names one, or a file in .png, .svg or .pdf")
        return free(self.out if self.is_file else self.out / f"{name}.{kind}", self.force), kind


def _draw_each(panel: str, request: Request, target: _Target) -> None:
    """A file for each run; one that cannot be drawn costs no other."""
    from etl.errors import StrobeError

    if target.is_file and len(request.runs) > 1:
        raise StrobeError(f"a file for each of {len(request.runs)} runs needs a folder: --out {target.out.parent}")
    failed = 0
    for run in request.runs:
        try:
            _draw(panel, replace(request, runs=[run]), target)
        except (StrobeError, OSError) as error:
            failed += 1
            typer.echo(f"strobe: {run}: {visible(str(error))}", err=True)
    if failed:
        raise StrobeError(f"{failed} of {len(request.runs)} runs could not be drawn")


def _draw(panel: str, request: Request, target: _Target) -> None:
    from etl.replacing import replacing, write_all
    from strobe.charts.export import image
    from strobe.plot.figures import make

    made = make(panel, request)
    path, kind = target.place(made.name)
    data = image(made.figure, kind)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
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
