"""One moment of a model as Altair figures: attention of every head, points on two axes, bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from strobe.charts.theme import CYCLIC, SEQUENTIAL, altair


def attention_table(weights: np.ndarray[Any, Any], tokens: Sequence[str]) -> pa.Table:
    """layer, head, query, key (positions), query_token, key_token, weight of `weights` (layer, head, query, key);
    masked keys (later than the query) are left out."""
    layer, head, query, key = (axis.ravel() for axis in np.indices(weights.shape))
    seen = key <= query
    names = np.asarray(list(tokens), dtype=object)
    return pa.table({
        "layer": layer[seen], "head": head[seen], "query": query[seen], "key": key[seen],
        "query_token": pa.array(names[query[seen]].tolist(), pa.string()),
        "key_token": pa.array(names[key[seen]].tolist(), pa.string()),
        "weight": weights.ravel()[seen].astype(np.float64),
    })  # fmt: skip


def attention(table: pa.Table, tokens: Sequence[str]) -> Any:
    """Heads across, layers down, on one colour scale from 0 to 1, from rows of `attention_table`."""
    alt = altair()
    few = len(tokens) <= 16
    named = ",".join(f"'{k}':{_quoted(token)}" for k, token in enumerate(tokens))
    axis = alt.Axis(labelExpr=f"{{{named}}}[datum.value]") if few else alt.Axis(labels=False, ticks=False)
    return (
        alt.Chart(alt.Data(values=table.to_pylist()))
        .mark_rect()
        .encode(
            x=alt.X("key:O", title="key", axis=axis),
            y=alt.Y("query:O", title="query", axis=axis),
            color=alt.Color("weight:Q", scale=alt.Scale(domain=[0, 1], range=list(SEQUENTIAL))),
        )
        .properties(width=120, height=120)
        .facet(column=alt.Column("head:O", title="head"), row=alt.Row("layer:O", title="layer"))
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", " ") + "'"


def points_table(points: np.ndarray[Any, Any], labels: Sequence[str]) -> pa.Table:
    """row, label, x, y of `points` (n, 2)."""
    return pa.table({
        "row": np.arange(len(points)), "label": pa.array(list(labels), pa.string()),
        # Not a number is no place: null, which figures leave out.
        "x": pa.array(points[:, 0].astype(np.float64), from_pandas=True),
        "y": pa.array(points[:, 1].astype(np.float64), from_pandas=True),
    })  # fmt: skip


def points(table: pa.Table, reach: float) -> Any:
    """A scatter of `points_table` between -reach and reach; every tenth point is named."""
    alt = altair()
    every = max(10, table.num_rows // 10)
    rows = [row | {"name": row["label"] if row["row"] % every == 0 else ""} for row in table.to_pylist()]
    scale = alt.Scale(domain=[-reach, reach])
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("x:Q", title="first axis", scale=scale), y=alt.Y("y:Q", title="second axis", scale=scale)
    )
    colour = alt.Color("row:Q", title="row", scale=alt.Scale(range=list(CYCLIC)))
    names = base.mark_text(align="left", dx=6, fontSize=10).encode(text="name:N")
    return (base.mark_circle(size=40).encode(color=colour) + names).properties(width=400, height=400)


def bars(labels: Sequence[str], values: Sequence[float], *, x_title: str, y_title: str) -> Any:
    """One bar a label, in the given order."""
    alt = altair()
    rows = [{"label": label, "value": value} for label, value in zip(labels, map(float, values), strict=True)]
    every = max(1, len(labels) // 16)
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("label:N", title=x_title, sort=list(labels), axis=alt.Axis(values=list(labels)[::every])),
            y=alt.Y("value:Q", title=y_title),
        )
        .properties(width=560, height=240)
    )
