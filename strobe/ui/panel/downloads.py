"""The files of a panel that follows the cursor: made for the step at which the cursor rests when they are asked for,
since the cursor moves in the browser and the page may not have been made again since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from strobe.charts.figure import Figure
from strobe.ui.panel import panel
from strobe.ui.shell import cursor
from strobe.views.precision import stored_words
from strobe.views.run_view import RunView, index_at_or_before
from strobe.views.words import visible


def offer(
    view: RunView, key: str, text: str, steps: Sequence[int], query: str,
    table: Callable[[int], pa.Table], figure: Callable[[int], Figure], reads: Sequence[str] = (),
) -> None:  # fmt: skip
    """The caption line of a panel with frames at `steps`: `table` and `figure` make the data and the image of one of
    them, by its index. The data gets a column `step`, the image a title with run and step. Of the tensors or sections
    that it `reads` the caption says where they are stored in fewer bits than they were recorded in."""
    resting, title = cursor.resting(), visible(view.title or view.run)

    def at() -> int:
        return index_at_or_before(steps, resting.get("step", steps[-1]) + view.shift)

    def data() -> pa.Table:
        k = at()
        made = table(k)
        return made.add_column(0, "step", pa.array(np.full(made.num_rows, steps[k], np.int64)))

    def image() -> Any:
        k = at()
        return replace(figure(k), title=f"{title}, step {steps[k]:,}")

    panel.tools(key, " ".join(filter(None, (text, stored_words(view, reads)))), [query], data, image)
