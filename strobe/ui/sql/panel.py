"""The SQL page: editor with the schema beside it, examples, saved queries, history, and the result.

A statement that comes with a link is shown and runs only when the visitor presses Run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

from etl.errors import StrobeError
from etl.sql.sandbox import MAX_SQL_CHARACTERS, Sandbox
from strobe import saved_queries, settings
from strobe.ui.shell import address, writing
from strobe.ui.shell.page import Page
from strobe.ui.shell.words import escaped, inert
from strobe.ui.sql import query as sql_run
from strobe.ui.sql import result
from strobe.ui.sql.examples import EXAMPLES
from strobe.ui.sql.link import MOST_CHARACTERS
from strobe.views.words import visible

_DRAFT: Final = "sql_draft"
"""The text of the editor, under a name that outlives the widget when the visitor is on another page."""
_TEXT: Final = "sql_text"
_OUTCOME: Final = "sql_outcome"
_FROM_LINK: Final = "sql_from_link"
_URL: Final = "q"

_EDITOR_STYLE = """<style>
.st-key-sql_text textarea { font: 13.5px/1.5 "Source Code Pro", ui-monospace, monospace; tab-size: 2; }
/* What stands below is of another text: of one that was put there, or that is being typed. */
.st-key-sql_old, .stMain:has(.stForm [data-testid=InputInstructions]) .st-key-sql_result { opacity: .45; }
.st-schema { font-size: 13px; max-height: 520px; overflow: auto; }
.st-schema summary { cursor: pointer; padding: 2px 0; }
.st-schema summary span, .st-schema td + td { opacity: .75; font-size: 12px; }
.st-schema td { padding: 0 10px 0 14px; border: 0; line-height: 1.55; }
</style>"""


def sql_panel(page: Page) -> None:
    """Everything below the frame's header."""
    st.html(_EDITOR_STYLE)
    _take_link()
    _restore(page)
    editor, schema = st.columns([3, 1], gap="medium")
    with schema:
        _schema(page)
    with editor:
        _examples(page)
        notice = st.empty()
        asked = _editor()
        _shelf(page)
        if asked is not None:
            st.session_state.pop(_FROM_LINK, None)
            st.session_state[_OUTCOME] = sql_run.run(page.reader, asked)
            _write_link(asked)
        if st.session_state.get(_FROM_LINK):
            notice.info("This query came with the link: read it, then press Run.", icon=":material/link:")
        outcome = st.session_state.get(_OUTCOME)
        if outcome is None:
            Sandbox.warm()  # so that a child is ready before Run is pressed
        else:
            changed = st.session_state.get(_TEXT) != outcome.sql
            if changed:
                st.caption("The text above is another by now: below is what was run before.")
            with st.container(key="sql_old" if changed else "sql_result"):
                result.show(outcome)


def _take_link() -> None:
    """The statement of a link, unless it is the one that this page wrote there itself."""
    values = st.query_params.get_all(_URL)
    if not values or values[0] == st.session_state.get("sql_written"):
        return
    st.session_state["sql_written"] = values[0]
    _set_text(values[0][:MAX_SQL_CHARACTERS])
    st.session_state[_OUTCOME] = None
    st.session_state[_FROM_LINK] = True


def _write_link(sql: str) -> None:
    fits = len(sql) <= MOST_CHARACTERS and "\0" not in sql
    st.session_state["sql_written"] = sql if fits else None
    if fits:
        st.query_params[_URL] = sql
    elif _URL in st.query_params:
        del st.query_params[_URL]


def _set_text(sql: str) -> None:
    st.session_state.pop(_FROM_LINK, None)
    st.session_state[_TEXT] = st.session_state[_DRAFT] = sql


def _restore(page: Page) -> None:
    if _TEXT not in st.session_state:
        _set_text(st.session_state.get(_DRAFT) or EXAMPLES[1].sql(page.run))


def _examples(page: Page) -> None:
    def picked() -> None:
        title = st.session_state["sql_example"]
        for example in EXAMPLES:
            if example.title == title:
                _set_text(example.sql(page.run))
        st.session_state["sql_example"] = None

    titles = [example.title for example in EXAMPLES]
    st.pills("Examples", titles, key="sql_example", on_change=picked, label_visibility="collapsed", wrap=True)


def _editor() -> str | None:
    """The editor and Run (also Ctrl+Enter); the statement where it was just pressed."""
    within = sql_run.limits()
    with st.form("sql_form", border=False):
        text = st.text_area(
            "SQL", key=_TEXT, height=230, label_visibility="collapsed", max_chars=MAX_SQL_CHARACTERS,
            placeholder="SELECT ... FROM scalars",
        )  # fmt: skip
        with st.container(horizontal=True, vertical_alignment="center"):
            pressed = st.form_submit_button("Run", type="primary", icon=":material/play_arrow:", key="sql_go")
            st.caption(
                f"Ctrl+Enter runs. One SELECT, at most {within.timeout_s:g} s, {within.memory} "
                f"and {within.max_rows:,} rows."
            )
    st.session_state[_DRAFT] = text or ""
    return (text or "") if pressed else None


def _shelf(page: Page) -> None:
    """Saved queries and the session's history."""
    del page
    with st.container(horizontal=True, gap="small"):
        with st.popover("Saved", icon=":material/bookmark:", type="tertiary"):
            _saved()
        with st.popover("History", icon=":material/history:", type="tertiary"):
            past = sql_run.history()
            if not past:
                st.caption("What you run in this session is listed here.")
            for number, entry in enumerate(past):
                label = inert(f"{_one_line(entry.sql)} ({entry.result})")
                st.button(label, key=f"sql_past_{number}", on_click=_set_text, args=(entry.sql,), type="tertiary")


def _one_line(sql: str) -> str:
    lines = [line for line in sql.splitlines() if line.strip() and not line.lstrip().startswith("--")]
    text = " ".join(" ".join(lines).split())
    return visible(text if len(text) <= 70 else text[:69] + "…")


def _saved() -> None:
    store = Path(settings.store_path())
    try:
        queries = saved_queries.saved(store)
    except StrobeError as error:
        st.warning(inert(str(error)))
        return
    for number, query in enumerate(queries):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                inert(query.name), key=f"sql_saved_{number}", on_click=_set_text, args=(query.sql,), type="tertiary"
            )
            if writing.on():
                st.button(
                    "", key=f"sql_drop_{number}", icon=":material/delete:", type="tertiary",
                    on_click=_edit, args=("remove", store, query.name), help="Remove this query from the store",
                )  # fmt: skip
    if not queries:
        st.caption("No query is saved with this store.")
    if not writing.on():
        st.caption("Saving is off: this app is read-only.")
        return
    st.text_input("Name", key="sql_save_name", max_chars=80, placeholder="Name of the query in the editor")
    st.button("Save", key="sql_save", icon=":material/bookmark_add:", on_click=_edit, args=("save", store, None))


def _edit(what: str, store: Path, name: str | None) -> None:
    try:
        if not writing.on():
            raise StrobeError("this session may not write")
        if what == "remove":
            saved_queries.remove(store, name or "")
        else:
            saved_queries.save(store, st.session_state["sql_save_name"], st.session_state[_DRAFT])
            st.session_state["sql_save_name"] = ""
    except (StrobeError, OSError) as error:
        address.note(str(error)[:1].upper() + str(error)[1:] + ".")


def _schema(page: Page) -> None:
    """Tables and columns, folded; the sizes are those of the store version on screen."""
    hidden = sql_run.hidden_columns()
    trees = []
    for name, schema in page.reader.catalogue.tables().items():
        rows = sum(part.rows for part in page.reader.catalogue.parts(name))
        columns = "".join(
            f"<tr><td>{escaped(field.name)}</td><td>{escaped(_type(field.type))}</td></tr>"
            for field in schema
            if field.name not in hidden.get(name, ())
        )
        summary = f"<summary>{escaped(name)} <span>{rows:,} rows</span></summary>"
        trees.append(f"<details>{summary}<table>{columns}</table></details>")
    st.html(f'<p class="st-title">Tables</p><div class="st-schema">{"".join(trees)}</div>')
    st.html(
        '<p class="st-caption">Each table T has the current rows; T_all also has those that a later attempt '
        "replaced. The sizes count both.</p>"
    )


def _type(kind: object) -> str:
    names = {"string": "text", "int64": "bigint", "int32": "integer", "int16": "smallint", "float": "real"}
    text = str(kind)
    return names.get(text, "list of real" if text.startswith("list") else "boolean" if text == "bool" else text)
