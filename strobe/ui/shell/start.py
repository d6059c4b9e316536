"""The store that a page reads, and what is shown where there is none or nothing in it yet."""

from __future__ import annotations

from typing import Any

import streamlit as st

from etl.errors import StrobeError
from strobe.settings import read_only, shared_store, store_path
from strobe.ui.shell import components, left_out, registry, writing
from strobe.ui.shell.reader import Reader
from strobe.ui.shell.words import inert, markup

_TRAIN = "strobe train modadd --preset grok\nstrobe ingest runs/grok"


def read_store(spec: registry.PageSpec) -> tuple[Reader, dict[str, dict[str, Any]]]:
    """The newest version of the store, and its runs by id. Stops the script, after saying why and what to do next,
    where the store cannot be read or holds no run."""
    try:
        reader = Reader.newest()
        table = reader.every_run()
    except (StrobeError, OSError) as error:
        _title(spec)
        st.error(inert(str(error)), icon=":material/folder_off:")
        st.markdown("Point `STROBE_STORE` at a store, or move what is there aside and run `strobe ingest` again.")
        st.stop()
    rows = {row["run"]: row for row in table.to_pylist()}
    if not rows:
        _title(spec)
        left_out.warn(st, left_out.sentences(reader, "runs", ()))
        _ways_to_begin()
        st.stop()
    return reader, rows


def _title(spec: registry.PageSpec) -> None:
    markup('<div class="st-head"><h1>{title}</h1><p>{answers}</p></div>', title=spec.title, answers=spec.answers)


def _ways_to_begin() -> None:
    with st.sidebar:
        read_only_line()
        components.menu()(key="menu")
    st.markdown("**No runs yet.** Three ways to begin; then reload this page.")
    for column, (title, why, command) in zip(
        st.columns(3, border=True),
        (
            ("Open the example", "A transformer that learns addition modulo 97 and groks.", "strobe example --show"),
            ("Train one", "The same task on your machine, with your settings.", _TRAIN),
            ("Ingest a folder", "Snapshots or logs that you already have.", "strobe ingest PATH"),
        ),
        strict=True,
    ):  # fmt: skip
        with column:
            markup('<p class="st-title">{title}</p><p class="st-caption">{why}</p>', title=title, why=why)
            st.code(command, language="bash", wrap_lines=True)
    markup('<p class="st-caption">This page reads the store at {path}</p>', path=store_name())


def store_name() -> str:
    """The store as visitors may see it: its path where they may write."""
    return str(store_path()) if writing.on() else store_path().name


def read_only_line() -> None:
    """How to get the rest, where nothing can be written."""
    writing.keep()
    if shared_store() is not None:
        st.caption("Shared to be looked at: nothing here can be changed.")
    elif read_only():
        st.caption("Read-only. Run `strobe app` to train, name, tag, archive and remove runs.")
    elif not writing.on():
        st.caption("Read-only here. Open the address that the server printed as it started, token and all, to write.")
