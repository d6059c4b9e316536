"""Figures of a run for a paper, from a store: each panel by its name, with legend and units, and sheets of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from etl.errors import StrobeError
from strobe.charts.figure import Figure, Sheet
from strobe.plot import compared as use
from strobe.plot import memorization as known
from strobe.plot import moments as at
from strobe.plot import training as over
from strobe.plot.request import Request

PANELS: Final[dict[str, Callable[[Request], Figure]]] = {
    "loss": over.loss, "accuracy": over.accuracy, "metric": over.metric, "gradients": over.gradients,
    "fourier": over.fourier, "progress": over.progress, "heads": over.heads, "ranks": over.ranks,
    "attention": at.attention, "embedding": at.embedding, "weights": at.weights, "spectrum": at.spectrum,
    "frequencies": at.frequencies,
    "perplexity": use.perplexity,
    "learning_rate": use.learning_rate, "tokens": use.tokens, "mfu": use.mfu, "throughput": use.throughput,
    "memory": use.memory,
    "memorization_rate": known.rate, "compression": known.compression, "memorization_scatter": known.scatter,
    "compression_layers": known.layers, "passages": known.passages, "compression_speed": known.speed,
}  # fmt: skip
MOMENTS: Final = ("attention", "embedding", "weights", "spectrum", "frequencies")
"""Panels that show one step; the others show all of training."""
_COST: Final = ("perplexity", "learning_rate", "tokens", "mfu", "throughput", "memory")
SEVERAL: Final = ("loss", "accuracy", "metric", *_COST, "report", "cost", "compare")
"""Panels that show several runs at once."""
MATRICES: Final = ("weights", "spectrum")
"""Panels of one matrix."""
SHEETS: Final = {
    "report": ("loss", "accuracy", "gradients", "progress", "fourier", "embedding"),
    "inside": ("attention", "embedding", "weights", "spectrum", "frequencies", "ranks"),
    "cost": _COST,
    "compare": _COST,
}
"""Up to six panels on one sheet: those that the run has, in this order."""
_LAID: Final = ("cost", "compare")
"""Sheets whose panels are of several runs on the same axes, under one legend."""


_ON_SHEET: Final = 220
"""Height of a plot among others, so that six of them fit a page."""


@dataclass(frozen=True)
class Made:
    """A figure, its name (run, view, step) for a file, and why panels of a sheet are missing."""

    figure: Figure
    name: str
    missing: Sequence[str] = ()


def make(panel: str, request: Request) -> Made:
    """A panel or a sheet by name. Raises StrobeError where there is no such one, or nothing to draw."""
    if panel not in PANELS and panel not in SHEETS:
        raise StrobeError(f"there is no panel {panel!r:.60}; there are {', '.join([*PANELS, *SHEETS])}")
    if len(request.runs) > 1 and panel not in SEVERAL:
        raise StrobeError(f"{panel} shows one run; for several there are {', '.join(SEVERAL)}")
    if panel in PANELS:
        return Made(_titled(panel, request), _name(panel, request))
    if panel in _LAID or (panel == "report" and not _looks_inside(request)):
        sheet, missing = use.sheet_of(request)
        return Made(sheet, _name(panel, request), missing)
    figures: list[Figure] = []
    reasons: dict[str, list[str]] = {}
    for name in SHEETS[panel]:
        try:
            figures.append(_titled(name, request, on_sheet=True))
        except (StrobeError, OSError) as error:
            reasons.setdefault(_reason(error), []).append(name)
    missing = [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]
    if not figures:
        raise StrobeError(f"nothing to draw of {', '.join(request.runs)}; " + "; ".join(missing))
    caption = f"Not drawn: {'; '.join(missing)}." if missing else ""
    sheet = Sheet(figures, title=_whose(request), caption=caption)
    return Made(sheet, _name(panel, request), missing)


def _looks_inside(request: Request) -> bool:
    """Whether a report is of what stands in snapshots: of one run that has some. Of a log, and of several runs, it is
    of what they did and used."""
    return len(request.runs) == 1 and bool(
        request.rows("SELECT count(*) AS n FROM snapshots WHERE run = $1")["n"][0].as_py()
    )


def available(request: Request) -> list[tuple[str, str, str]]:
    """(panel, what it shows, why it cannot be drawn or "") for every panel of the run."""
    rows = []
    for name, draw in PANELS.items():
        reason = ""
        try:
            draw(request)
        except (StrobeError, OSError) as error:
            reason = _reason(error)
        rows.append((name, (draw.__doc__ or "").partition("\n")[0], reason))
    return rows


def _reason(error: Exception) -> str:
    """In one line, without what would be a second sentence."""
    return str(error).partition("\n")[0].rstrip(".")


def step_of(panel: str, request: Request) -> int | None:
    """The step that a figure of one moment shows; None for the others."""
    shown = SHEETS.get(panel, (panel,)) if panel != "report" or _looks_inside(request) else ()
    if not any(name in MOMENTS for name in shown):
        return None
    try:
        return request.snapshot().step
    except (StrobeError, OSError):
        return request.step


def _whose(request: Request) -> str:
    return ", ".join(request.runs)


def _titled(panel: str, request: Request, *, on_sheet: bool = False) -> Figure:
    """On a sheet the run stands above all; a moment always says its step."""
    step = step_of(panel, request)
    name = "MFU" if panel == "mfu" else panel.capitalize().replace("_", " ")
    words = [name] if on_sheet else [_whose(request), name]
    title = " · ".join([*words, f"step {step:,}"] if step is not None else words)
    figure = replace(PANELS[panel](request), title=title)
    return replace(figure, plot_height=_ON_SHEET) if on_sheet else figure


def _matrix(request: Request) -> str:
    """The asked tensor, with its layer where the tensor has layers."""
    rows = request.rows(
        "SELECT count(layer) AS n FROM tensors WHERE run = $1 AND section = 'params' AND tensor = $2", request.tensor
    )
    return f"{request.tensor}.{request.layer}" if rows["n"][0].as_py() else str(request.tensor)


def _name(panel: str, request: Request) -> str:
    step = step_of(panel, request)
    which = f"-{_matrix(request)}" if panel in MATRICES and request.tensor else ""
    which += f"-{request.metric}" if panel == "metric" else ""
    moment = f"-step-{step}" if step is not None else ""
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in which)
    return f"{'-'.join(request.runs)[:120]}-{panel}{safe[:80]}{moment}"
