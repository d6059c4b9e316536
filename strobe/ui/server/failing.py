"""What a visitor is told where a page fails: what happened, what to do, and under which id the log has the rest."""

from __future__ import annotations

import logging
import secrets

import streamlit as st

from etl.errors import StrobeError
from strobe.ui.shell.words import inert

_LOG = logging.getLogger("strobe.app")


def told(error: Exception) -> bool:
    """For `on_script_error`: our words in place of Streamlit's, for pages, parts of them and callbacks."""
    known = secrets.token_hex(4)
    _LOG.error("page failed, id %s", known, exc_info=error)
    st.error(inert(words(error, known), 600), icon=":material/error:")
    return True


def words(error: Exception, known: str) -> str:
    """One or two sentences; of an error of ours its own, of any other nothing that could give something away."""
    if isinstance(error, StrobeError):
        return f"{str(error)[:400]}. Reload the page: a run may have been removed or changed meanwhile. (id {known})"
    return (
        "This part of the page could not be made. Reload the page; if it stays, choose another run or step. "
        f"The server's log has the details under the id {known}."
    )
