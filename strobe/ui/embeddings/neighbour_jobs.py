"""t-SNE and UMAP for the Embeddings page: one child process at a time, its result kept by what it came from."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import streamlit as st

from strobe.settings import store_path
from strobe.ui.embeddings.private import private_folder
from strobe.ui.panel import panel
from strobe.ui.shell import writing

Array = np.ndarray[Any, Any]
MOST_FRAMES: Final = 30
"""Snapshots of one map: each costs a fit."""
_POLL_SECONDS: Final = 1.0


@dataclass
class _Jobs:
    """The child processes of this server, by the file that each will leave."""

    running: dict[Path, subprocess.Popen[bytes]] = field(default_factory=dict)
    starting: threading.Lock = field(default_factory=threading.Lock)

    def alive(self) -> list[Path]:
        self.running = {out: child for out, child in self.running.items() if child.poll() is None or not out.exists()}
        return [out for out, child in self.running.items() if child.poll() is None]


_JOBS: Final = _Jobs()
"""Of this module and in no cache of Streamlit's, which any visitor may clear: it guards "one map at a time"."""


def folder() -> Path:
    """Where maps are kept: in the store, or where that must not be written in a folder of this user's own."""
    if writing.on() and store_path().is_dir():
        return store_path() / "cache" / "maps"
    return private_folder("strobe-maps")


def result(frames: Array, method: str) -> Array | None:
    """The map (steps, n, 2) of frames (steps, n, d) where it is there; else None, with the way to it on the page."""
    digest = hashlib.sha256(np.ascontiguousarray(frames).tobytes()).hexdigest()[:24]
    out = folder() / f"{method}-{digest}.npy"
    if out.is_file():
        made: Array = np.load(out, allow_pickle=False)
        if made.shape == (*frames.shape[:2], 2):
            return made
    _offer(frames, method, out)
    return None


def _offer(frames: Array, method: str, out: Path) -> None:
    child = _JOBS.running.get(out)
    if child is not None and child.poll() is None:
        _follow(out)
        return
    if child is not None and child.poll() is not None and not out.is_file():
        _JOBS.running.pop(out, None)
        panel.caption(f"The map could not be made: {_reason(out)}.")
    name = {"tsne": "t-SNE", "umap": "UMAP"}[method]
    panel.say(
        f"{name} of {len(frames)} snapshots of {frames.shape[1]:,} rows is computed by a process of its own, in "
        "about a minute; it is kept, and the app goes on meanwhile."
    )
    if _JOBS.alive():
        panel.caption("Another map is being made: one at a time.")
    elif st.button("Compute", icon=":material/play_arrow:", key=f"compute_{method}"):
        _start(frames, method, out)
        st.rerun()


def _start(frames: Array, method: str, out: Path) -> None:
    """Starts the child, unless another visitor's press came first."""
    with _JOBS.starting:
        if _JOBS.alive():
            return
        out.parent.mkdir(parents=True, exist_ok=True)
        given = out.with_name(f"{out.stem}.frames.npy")
        np.save(given, frames.astype(np.float32))
        command = [sys.executable, "-m", "strobe.views.neighbour_maps", str(given), method, str(out)]
        with out.with_name(out.name + ".log").open("wb") as log:
            # Its standard input stays open for as long as this server lives: a restart leaves no orphan at work.
            _JOBS.running[out] = subprocess.Popen(
                command, cwd=Path(__file__).resolve().parents[3], stdin=subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip


@st.fragment(run_every=_POLL_SECONDS)
def _follow(out: Path) -> None:
    child = _JOBS.running.get(out)
    if out.is_file() or child is None or child.poll() is not None:
        st.rerun()
    done, total = _progress(out)
    st.progress(done / total if total else 0.0, f"Computing: {done} of {total} snapshots" if done else "Computing …")
    if st.button("Cancel", key="cancel_map", type="tertiary") and child is not None:
        child.terminate()
        child.wait(10)
        _JOBS.running.pop(out, None)
        st.rerun()


def _progress(out: Path) -> tuple[int, int]:
    try:
        done, _, total = out.with_name(out.name + ".progress").read_text().partition(" ")
        return int(done), int(total)
    except (OSError, ValueError):
        return 0, 0


def _reason(out: Path) -> str:
    try:
        lines = out.with_name(out.name + ".log").read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "its process ended without a word"
