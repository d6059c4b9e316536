"""What of the store cannot be read, said on the page: of the runs that it shows, and of all where all are listed."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from etl.errors import StoreError
from strobe.settings import read_only, store_path, with_store
from strobe.ui.shell.reader import Reader
from strobe.ui.shell.words import inert

if TYPE_CHECKING:
    from etl.store.damage import Damage

_OF_ALL: Final = ("runs", "sql")
"""Pages that show every run."""
_MOST: Final = 5
_CHARACTERS: Final = 2_000


def warn(place: Any, found: Sequence[str]) -> None:
    """A warning that names run, table, file and what is wrong; with the command that mends it where writing is on."""
    if found:
        place.warning(inert(" ".join(found), _CHARACTERS), icon=":material/warning:")


def sentences(reader: Reader, page: str, runs: Collection[str]) -> list[str]:
    """One for each table, run or file that is left out, at most `_MOST`, and how many there are beside."""
    everything = page in _OF_ALL
    tables = reader.catalogue if everything else reader.catalogue.of(*runs)
    found = [one for one in reader.unreadable if everything or one.run in runs]
    with contextlib.suppress(StoreError):  # the store has gone on: the next rerun tells
        found += tables.damage
    said = [_sentence(one) for one in found[:_MOST]]
    if len(found) > _MOST:
        said.append(f"And {len(found) - _MOST:,} more: strobe doctor names all.")
    return said


def _sentence(damage: Damage) -> str:
    # A path of this machine is no stranger's business.
    remedy = "" if read_only() else f" To mend it: {with_store(damage.remedy, store_path())}"
    return f"Left out: {damage.subject}.{remedy}"
