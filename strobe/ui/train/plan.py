"""What a training will take, before it is started: steps, snapshots over them, bytes on disk, and its command."""

from __future__ import annotations

import base64
import html
import shutil
from pathlib import Path

import streamlit as st

from strobe.charts.theme import TEST
from strobe.launch.asking import Asked
from strobe.launch.schedules import density
from strobe.settings import runs_path
from strobe.ui.shell.words import inert, markup
from strobe.views.words import count, parameters, size

_BINS, _HIGH = 240, 22


def show(wanted: Asked) -> None:
    """In words, as a picture, and as the command that does the same."""
    more = " and more where it moves, at most one at each evaluation" if wanted.auto else ""
    kept = f", of which the newest {count(wanted.kept)} stay" if wanted.kept < len(wanted.snapshots) else ""
    markup(
        '<p class="st-say">{parameters} parameters, {steps} steps. {n} snapshots of {each}{more}{kept}: '
        "<b>{whole}</b> on disk, {state} of it to resume from.</p>",
        parameters=parameters(wanted.parameters), steps=count(wanted.steps), n=count(len(wanted.snapshots)),
        each=size(wanted.snapshot_bytes), more=more, kept=kept,
        whole=("at least " if wanted.auto else "") + size(wanted.bytes), state=size(wanted.state_bytes),
    )  # fmt: skip
    st.html(picture(wanted))
    free = _free(runs_path())
    if free is not None and wanted.bytes > free:
        st.warning(inert(f"Only {size(free)} are free where runs go: take fewer snapshots, or thin them."))
    for text in wanted.about:
        st.caption(inert(text))
    st.code(wanted.command, language="bash", wrap_lines=True)


def picture(wanted: Asked) -> str:
    """Where snapshots lie between step 0 and the last: the darker, the denser."""
    bins = density(wanted.snapshots, wanted.steps, _BINS)
    most = max(bins)
    bars = "".join(
        f'<rect x="{k}" y="0" width="1" height="{_HIGH}" opacity="{0.25 + 0.75 * n / most:.2f}"/>'
        for k, n in enumerate(bins)
        if n
    )
    drawn = image(f'<g fill="{TEST}">{bars}</g>', _BINS, _HIGH, f"Snapshots from step 0 to step {wanted.steps:,}")
    return f'<div class="st-schedule">{drawn}<span>step 0</span><span>step {wanted.steps:,}</span></div>'


def image(inside: str, wide: int, high: int, alt: str) -> str:
    """A drawing of our own as an image: SVG in a page is taken out on its way to it."""
    frame = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" preserveAspectRatio="none"'
    data = base64.b64encode(f"<svg {frame}>{inside}</svg>".encode()).decode()
    return (
        f'<img alt="{html.escape(alt, quote=True)}" style="height:{high}px" src="data:image/svg+xml;base64,{data}">'
    )


def _free(folder: Path) -> int | None:
    """Bytes that are free where a folder is or will be."""
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None
