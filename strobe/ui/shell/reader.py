"""What pages read: one version of the store a rerun, and a bounded cache of answers keyed by that version."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from strobe.views.run_view import Answer

if TYPE_CHECKING:
    import pyarrow as pa

    from etl.store.catalogue import Catalogue, Store
    from etl.store.stored_run import StoredRun


@st.cache_resource(max_entries=8, show_spinner=False)
def _open(path: str) -> Store:
    del path  # the key: a changed STROBE_STORE is another store
    from strobe.settings import open_store

    return open_store()


def open_catalogue() -> Catalogue:
    """The store at its newest version. Raises StoreError where it cannot be read."""
    from strobe.settings import store_path

    return _open(str(store_path().absolute())).current()


@st.cache_resource(max_entries=128, show_spinner=False)
def _ask(store: str, version: str, sql: str, _catalogue: Catalogue) -> Answer:
    # Arrow tables are immutable, so sharing one between visitors is safe and copies nothing.
    started = time.perf_counter()
    table = _catalogue.query(sql)
    return Answer(sql, table, time.perf_counter() - started, (store, version))


@dataclass
class Reader:
    """Asks one catalogue version and remembers what was read, for the footer."""

    catalogue: Catalogue
    store: str
    answers: list[Answer] = field(default_factory=list)

    @classmethod
    def newest(cls) -> Reader:
        from strobe.settings import store_path

        return cls(open_catalogue(), str(store_path().absolute()))

    @property
    def version(self) -> str:
        return self.catalogue.version

    @property
    def key(self) -> tuple[str, str]:
        """The store and its version, which every cache is keyed by."""
        return self.store, self.version

    def ask(self, sql: str) -> Answer:
        """The answer to trusted SQL, cached by (store, version, text)."""
        answer = _ask(*self.key, sql, self.catalogue)
        self.answers.append(answer)
        return answer

    def once(self, sql: str) -> pa.Table:
        return self.catalogue.query(sql)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return list(self.ask(sql).table.to_pylist())

    def run(self, run: str) -> StoredRun:
        return _stored_run(*self.key, run, self.catalogue)


@st.cache_resource(max_entries=32, show_spinner=False)
def _stored_run(store: str, version: str, run: str, _catalogue: Catalogue) -> StoredRun:
    del store, version
    return _catalogue.run(run)
