"""How activations move with depth and step: a heatmap, and lines where the layers are few."""

from __future__ import annotations

from strobe.charts.curves import numbered
from strobe.ui.panel import choice, derived, panel
from strobe.ui.panel.marks import step_marks
from strobe.ui.shell import address
from strobe.ui.shell.cache import slowly_cached_by_run
from strobe.views import activations
from strobe.views.activations import QUANTITIES, Activations
from strobe.views.run_view import Answer, RunView

_in_snapshots = slowly_cached_by_run("Reading activations …")(activations.in_snapshots)


def panels(view: RunView) -> None:
    """The chosen quantity by layer and step."""
    recorded = activations.activations(view, _in_snapshots(view)) if view.steps else activations.NOTHING
    with panel.head("activations"):
        panel.title("Activations, layer by layer")
        chosen = _quantity(recorded)
    if chosen is None:
        panel.caption(recorded.reason)
        return
    _heatmap_and_lines(view, recorded, chosen)


def _quantity(recorded: Activations) -> str | None:
    if not recorded.quantities:
        return None
    return choice.select(
        "activation", "Quantity", recorded.quantities, words=lambda name: QUANTITIES[name].title, width=200
    )


def _heatmap_and_lines(view: RunView, recorded: Activations, chosen: str) -> None:
    quantity, own = QUANTITIES[chosen], recorded.of(chosen)
    names, title = list(dict.fromkeys(own.table["series"].to_pylist())), quantity.title.lower()
    about = " ".join(
        filter(None, (f"{quantity.words[0].upper()}{quantity.words[1:]}.", recorded.left_out(chosen), recorded.unfit))
    )
    if len(names) > 1:
        rows = Answer(own.sql, own.table.rename_columns(["name", "row", "step", "value"]))
        derived.grid(
            view, "activation_grid", rows, names, quantity=title, row_height=18, about=about, signed=quantity.signed
        )
    if len(names) <= address.MOST_NAMES:
        looks = {name: numbered(name, k) for k, name in enumerate(names)}
        about = "The same as lines." if len(names) > 1 else about
        derived.lines(view, "activation_lines", own, looks, y_title=title, about=about, marks=step_marks(view))
