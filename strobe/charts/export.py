"""A figure or its data as a file, with no browser."""

from __future__ import annotations

import io
from typing import Any, Final

import pyarrow as pa

from strobe.charts.figure import Figure

MIME: Final = {
    "png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf",
    "csv": "text/csv", "parquet": "application/vnd.apache.parquet",
}  # fmt: skip

DPI: Final = 300
"""Of a PNG: what journals ask for."""
_POINTS: Final = 72
"""To an inch, of which vl-convert takes one for a pixel of the drawing."""
_PIXELS: Final = 96
"""To an inch, of a drawing."""


def image(figure: Any, kind: str) -> bytes:
    """A `Figure` or an Altair chart as "png" (DPI pixels to an inch, which the file says), "svg" or "pdf"."""
    import vl_convert as vlc

    if kind not in ("png", "svg", "pdf"):
        raise ValueError(f"no image of kind {kind!r}; there is png, svg, pdf")
    svg = figure.svg() if isinstance(figure, Figure) else str(vlc.vegalite_to_svg(figure.to_json()))
    if kind == "svg":
        return svg.encode()
    return bytes(vlc.svg_to_png(svg, scale=_POINTS / _PIXELS, ppi=DPI) if kind == "png" else vlc.svg_to_pdf(svg))


def csv(table: pa.Table) -> bytes:
    """A table as CSV. Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    from pyarrow import csv as pa_csv

    columns = [_harmless(column) if pa.types.is_string(column.type) else column for column in table.columns]
    out = io.BytesIO()
    pa_csv.write_csv(pa.table(columns, names=table.column_names), out)
    return out.getvalue()


def _harmless(column: pa.ChunkedArray) -> pa.Array:
    return pa.array(
        ["'" + text if text is not None and text[:1] in tuple("=+-@\t\r") else text for text in column.to_pylist()],
        pa.string(),
    )


def parquet(table: pa.Table) -> bytes:
    from pyarrow import parquet as pq

    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()
