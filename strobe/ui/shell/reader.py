"""What pages read: one version of the store a rerun, and answers that are kept by the versions of the runs that they
read."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strobe.ui.shell.cache import shared
from strobe.views.milestones import onsets
from strobe.views.run_view import Answer
from strobe.views.runs import NEWEST_FIRST

if TYPE_CHECKING:
    from etl.store.annotations import Annotations
    from etl.store.catalogue import Catalogue, Store
    from etl.store.damage import Damage
    from etl.store.stored_run import StoredRun
    from strobe.analysis.onset_answer import Onset

T = TypeVar("T")

_opening = threading.Lock()


@functools.lru_cache(maxsize=8)
def _open(path: str) -> Store:
    del path  # the key: a changed STROBE_STORE is another store
    from strobe.settings import open_store

    return open_store()


def _store() -> Store:
    from strobe.settings import store_path

    with _opening:
        return _open(str(store_path().absolute()))


def open_catalogue() -> Catalogue:
    """The store at its newest version. Raises StoreError where it cannot be read."""
    return _store().current()


class Read(NamedTuple):
    """How much an answer was. Not the answer: a session keeps its page, and with it what that refers to."""

    rows: int
    bytes: int

    @classmethod
    def of(cls, answer: Answer) -> Read:
        return cls(answer.table.num_rows, answer.table.nbytes)


@dataclass
class RunTables:
    """The tables of some runs at one version, asked through the cache. What is read is remembered for the footer.

    A query that meets a part which is gone by now is asked once more, of the newest version of these runs.
    """

    catalogue: Catalogue
    store: str
    runs: tuple[str, ...]
    read: list[Read]

    @property
    def key(self) -> tuple[str, str]:
        """The store, and the version of these runs: what a cache of anything read here is keyed by."""
        return self.store, self.catalogue.version

    def of(self, *runs: str) -> RunTables:
        """Those of these runs alone."""
        return self if runs == self.runs else RunTables(self.catalogue.of(*runs), self.store, runs, self.read)

    def ask(self, sql: str) -> Answer:
        """The answer to trusted SQL, kept by (store, version of these runs, text)."""
        answer: Answer = self._newest(lambda: shared().get(("ask", self.key, sql), lambda: self._answer(sql), "ask"))
        self.read.append(Read.of(answer))
        return answer

    def _answer(self, sql: str) -> Answer:
        # Arrow tables are immutable, so sharing one between visitors is safe and copies nothing.
        started = time.perf_counter()
        table = self.catalogue.query(sql)
        return Answer(sql, table, time.perf_counter() - started, self.key)

    def knows(self, sql: str) -> bool:
        """Whether the answer is kept already."""
        return ("ask", self.key, sql) in shared()

    def learn(self, sql: str, table: pa.Table) -> None:
        """Keeps an answer that was read together with those of other runs."""
        answer = Answer(sql, table, 0.0, self.key)
        shared().put(("ask", self.key, sql), answer)

    def once(self, sql: str) -> pa.Table:
        """The same, kept nowhere."""
        return self._newest(lambda: self.catalogue.query(sql))

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The answer as dictionaries."""
        return list(self.ask(sql).table.to_pylist())

    def run(self, run: str) -> StoredRun:
        """One of the runs by its id. Raises StoreError where it is not there."""

        def found() -> StoredRun:
            made: StoredRun = shared().get(("run", self.key, run), lambda: self.catalogue.run(run), "run")
            return made

        return self._newest(found)

    def damage(self) -> Sequence[Damage]:
        """What of these tables cannot be read."""
        return self._newest(lambda: self.catalogue.damage)

    def _newest(self, ask: Callable[[], T]) -> T:
        from etl.store.intact import ChangedError

        try:
            return ask()
        except ChangedError:
            newer = open_catalogue().of(*self.runs)
            if newer.version == self.catalogue.version:
                raise
            self.catalogue = newer
            return ask()


@dataclass
class Reader:
    """One version of the store: the tables of its runs, and lists of all of them.

    There is no way to ask all runs at once, so that nothing that is kept depends on more than it has to.
    """

    catalogue: Catalogue
    store: str
    read: list[Read] = field(default_factory=list)
    unreadable: list[Damage] = field(default_factory=list)
    """The runs that are left out altogether, and what is wrong with the store's own file."""

    @classmethod
    def newest(cls) -> Reader:
        from strobe.settings import store_path

        store = _store()
        return cls(store.current(), str(store_path().absolute()), unreadable=store.unreadable)

    @property
    def version(self) -> str:
        """Of the whole store."""
        return self.catalogue.version

    @property
    def key(self) -> tuple[str, str]:
        """The store and its version."""
        return self.store, self.version

    def of(self, *runs: str) -> RunTables:
        """The tables of some runs."""
        return RunTables(self.catalogue.of(*runs), self.store, runs, self.read)

    def all_runs(self) -> RunTables:
        """The tables of every run, for statements that a visitor types. Their catalogue shares its database with
        those of single runs; the store's own would open one of 4 MB and nine threads for each version."""
        return self.of(*self.catalogue.names())

    def each(self, sql: str, order: Sequence[tuple[str, str]] = (), runs: Collection[str] | None = None) -> Answer:
        """The answer to SQL whose every row is of the run in its column `run`, over all runs or `runs` alone: asked
        again only of the runs that changed. `order` (column, "ascending" or "descending") is that of the whole, NULL
        last."""

        def merged() -> Answer:
            parts = self.each_run(f"each {sql}", lambda tables: by_run(tables.once(sql), tables.runs), runs)
            table = pa.concat_tables(parts.values()).combine_chunks() if parts else self.of().once(sql)
            if order:
                table = table.take(pc.sort_indices(table, sort_keys=list(order)))
            return Answer(sql, table, 0.0, self.key)

        which = None if runs is None else self.catalogue.version_of(*runs)
        answer: Answer = shared().get(("each", self.key, sql, which), merged, "each")
        self.read.append(Read.of(answer))
        return answer

    def every_run(self) -> pa.Table:
        """Table `runs`, the newest first: read again only of the runs that changed."""

        def rows(tables: RunTables) -> dict[str, pa.Table]:
            return by_run(tables._newest(tables.catalogue.every_run), tables.runs)

        def read() -> pa.Table:
            parts = self.each_run("row", rows)
            table = pa.concat_tables(parts.values()).combine_chunks() if parts else self.catalogue.every_run()
            return table.take(pc.sort_indices(table, sort_keys=list(NEWEST_FIRST)))

        table: pa.Table = shared().get(("every run", self.key), read, "every run")
        self.read.append(Read(table.num_rows, table.nbytes))
        return table

    def onsets(self, runs: Collection[str]) -> dict[str, Onset]:
        """The grokking onset of some runs."""
        return self.each_run("onset", onsets, runs)

    def annotations(self) -> dict[str, Annotations]:
        """What people say of each run."""
        return self.catalogue.annotations()

    def each_run(
        self, what: str, make: Callable[[RunTables], dict[str, T]], runs: Collection[str] | None = None
    ) -> dict[str, T]:
        """Run -> `what` is known of it, of all runs or of `runs`, kept run by run; `make` finds it out for several at
        once."""
        names = self.catalogue.names() if runs is None else runs
        keys = {run: (what, self.store, self.catalogue.version_of(run)) for run in names}
        known = shared().known(keys.values())
        missing = [run for run, key in keys.items() if key not in known]
        made = make(self.of(*missing)) if missing else {}
        for run, value in made.items():
            shared().put(keys[run], value)
        return {
            run: made[run] if run in made else known[key] for run, key in keys.items() if run in made or key in known
        }


def by_run(table: pa.Table, runs: Sequence[str]) -> dict[str, pa.Table]:
    """The rows of each run, also of those that have none; copies, since a slice would keep the whole alive."""
    # Of one batch: taking from a table in pieces looks at each of them.
    (whole,) = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
    which = pc.index_in(whole["run"], pa.array(runs, whole["run"].type)).fill_null(len(runs)).to_numpy()
    order = np.argsort(which, kind="stable")
    places = np.searchsorted(which[order], np.arange(len(runs) + 1))
    return {
        run: pa.Table.from_batches([whole.take(pa.array(order[places[k] : places[k + 1]]))])
        for k, run in enumerate(runs)
    }
