"""From a chart to its query on the SQL page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from strobe.ui.shell import registry

MOST_CHARACTERS: Final = 4_000
"""Of a statement in an address: browsers and proxies cut longer ones."""

_MOST_LINKS: Final = 8


def open_in_sql(key: str, queries: Sequence[str]) -> None:
    """A button for each of the queries that fits into an address; the SQL page shows it and waits for Run."""
    page = registry.specs().get("sql")
    fitting = [query for query in dict.fromkeys(queries) if len(query) <= MOST_CHARACTERS][:_MOST_LINKS]
    if page is None:
        return
    for number, query in enumerate(fitting):
        label = "Open in SQL" if len(fitting) == 1 else f"Open {number + 1} in SQL"
        if st.button(label, key=f"{key}_sql_{number}", icon=":material/database:", type="tertiary"):
            st.switch_page(page.file, query_params={"q": query})
