"""The browser's part: seven components made of the modules in `static/`, and how frames travel to them.

Streamlit takes a component's JavaScript as one module, so the files are joined here in the order of their imports;
each stays an ordinary ES module that tests can load.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Callable

STATIC: Final = Path(__file__).parents[1] / "static"
PANEL: Final = (
    "scales", "readings", "clock", "text", "marks", "draw", "look",
    *(
        f"kinds/{kind}"
        for kind in ("attention", "bars", "curves", "dots", "embedding", "grid", "profile", "ridges", "tiles")
    ),
    "kinds", "panel",
)  # fmt: skip
"""The modules of a panel, in the order of their imports."""
BOARD: Final = (
    "scales", "readings", "clock", "text", "marks", "draw", "look", "matching",
    *(f"board/{part}" for part in ("model", "plot", "readout", "board")),
)  # fmt: skip
"""The modules of the grid of charts."""
_DTYPES: Final = {"|u1": "u1", "<f2": "f2", "<f4": "f4", "<f8": "f8", "<u4": "u4"}


def script(*modules: str, default: str) -> str:
    """One ES module of several of ours, in that order, with `default` (a function of the last) as its default."""
    text = "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in modules)
    text = re.sub(r'^import [^;]*? from "\.\.?/[a-z/]+\.js";\n', "", text, flags=re.MULTILINE)
    return f"{text}\nexport default {default};\n"


def _component(name: str, js: str) -> Callable[..., Any]:
    markup, style = ((STATIC / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "css"))
    made: Callable[..., Any] = st.components.v2.component(f"strobe_{name}", html=markup, css=style, js=js)
    return made


@cache
def cursor() -> Callable[..., Any]:
    """The step cursor; state `at` is "run@step", where it last came to rest."""
    return _component("cursor", script("scales", "clock", "cursor", default="mountCursor"))


@cache
def picker() -> Callable[..., Any]:
    """The run picker; state `selected` is a list of run ids."""
    return _component("picker", script("matching", "picker", default="mountPicker"))


@cache
def runs() -> Callable[..., Any]:
    """The table of runs; states `selected` (run ids), `opened` (run@time), `every` (all that were found), `sort`,
    and `page`."""
    return _component("runs", script("runs", default="mountRuns"))


@cache
def keeper() -> Callable[..., Any]:
    """Keeps the token of writing in the browser, or offers the one it kept as trigger `token`."""
    return _component("keeper", script("keeper", default="mountKeeper"))


@cache
def menu() -> Callable[..., Any]:
    """The choice of light or dark, and the sheet of keys; trigger `theme` where one has become the other."""
    return _component("menu", script("clock", "menu", default="mountMenu"))


@cache
def panel() -> Callable[..., Any]:
    """A canvas panel for bytes of `pack`; states `window` (zoom) and `picked` (a clicked row)."""
    return _component("panel", script(*PANEL, default="mountPanel"))


@cache
def board() -> Callable[..., Any]:
    """The grid of charts for bytes of `pack`; state `ask` is JSON: what it lacks, and what it remembers."""
    return _component("board", script(*BOARD, default="mountBoard"))


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """Header and arrays as one message: uint32 length, JSON header, zeros to a multiple of 8, then the arrays, each
    at a multiple of 8 (`header["arrays"][name]` = dtype, offset, length). Flattened in C order, little-endian;
    dtypes uint8, uint32, float16, float32, float64. Raises ValueError on another dtype."""
    places: dict[str, dict[str, Any]] = {}
    chunks: list[bytes] = []
    offset = 0
    for name, array in arrays.items():
        kind = _DTYPES.get(array.dtype.str)
        if kind is None:
            known = ", ".join(_DTYPES.values())
            raise ValueError(f"array {name!r}: dtype {array.dtype} does not travel; try {known}")
        data = np.ascontiguousarray(array).tobytes()
        places[name] = {"dtype": kind, "offset": offset, "length": array.size}
        chunks += [data, bytes(-len(data) % 8)]
        offset += len(data) + (-len(data) % 8)
    head = json.dumps({**header, "arrays": places}, allow_nan=False).encode()
    return len(head).to_bytes(4, "little") + head + bytes(-(4 + len(head)) % 8) + b"".join(chunks)
