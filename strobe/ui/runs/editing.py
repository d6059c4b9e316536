"""Name, tags, note, archive and removal of the selected runs, where this session may write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import streamlit as st

from etl.store.annotations import MOST_OF_A_NOTE, Annotations
from etl.store.manage import MAX_NAME, annotate_run, remove_run, rename_run
from strobe.ui.shell import selection, writing
from strobe.ui.shell.page import Page
from strobe.ui.shell.words import inert
from strobe.views.annotating import what_goes, with_tags
from strobe.views.words import visible


def draw(page: Page) -> None:
    """What can be changed; nothing where nothing may be written, or the runs are the example's."""
    own = [run for run in page.runs if not page.reader.catalogue.pointer(run)[0].attached]
    if not writing.on() or not own:
        return
    # Beside the menu and not in it, which would stand over the question whether to remove.
    with st.container(key="runs_editing", horizontal=True, gap="small"):
        if page.run in own:
            with st.popover("Edit", key="runs_edit", icon=":material/edit:"):
                _form(page)
        which = f"these {len(own)} runs" if len(own) > 1 else "this run"
        archived = all(page.reader.catalogue.annotations()[run].archived for run in own)
        label = f"{'List' if archived else 'Archive'} {which}{' again' if archived else ''}"
        if st.button(label, key="runs_archive", type="tertiary"):
            _write(page, own, lambda said: replace(said, archived=not archived))
        if st.button(f"Remove {which} …", key="runs_remove", type="tertiary"):
            _confirm(page, own)


def _form(page: Page) -> None:
    run, said = page.run, page.reader.catalogue.annotations()[page.run]
    with st.form(f"edit_{run}", border=False):
        name = st.text_input("Name", page.title_of(run), max_chars=MAX_NAME)
        tags = st.text_input("Tags, with commas between", ", ".join(said.tags))
        note = st.text_area("Note", said.note, max_chars=MOST_OF_A_NOTE, height=90)
        if st.form_submit_button("Save", type="primary"):
            if name != page.title_of(run):
                writing.done(lambda: rename_run(page.reader.catalogue.pointer(run)[0], run, name))
            _write(
                page, [run], lambda before: replace(with_tags(replace(before, tags=()), [tags]), note=note.strip())
            )


def _write(page: Page, runs: list[str], change: Callable[[Annotations], Annotations]) -> None:
    files = [page.reader.catalogue.pointer(run)[0] for run in runs]
    done = [writing.done(partial(annotate_run, *each, change)) for each in zip(files, runs, strict=True)]
    if all(done):
        st.rerun()


@st.dialog("Remove from the store?")
def _confirm(page: Page, runs: list[str]) -> None:
    found = [page.of(run).run(run) for run in runs]
    names = ", ".join(visible(page.title_of(run), 60) for run in runs[:5])
    more = f" and {len(runs) - 5} more" if len(runs) > 5 else ""
    st.markdown(
        inert(f"{names}{more}: {what_goes([run.pointer for run in found], [run.folder for run in found])}", 1_000)
    )
    if not st.button("Remove", type="primary", key="runs_remove_now"):
        return
    gone = [run.id for run in found if writing.done(lambda run=run: remove_run(run.files, run.id))]  # type: ignore[misc]
    if len(gone) == len(found):
        left = [run for run in page.rows if run not in gone]
        selection.put([run for run in page.runs if run in left] or left[:1])
        st.rerun()
