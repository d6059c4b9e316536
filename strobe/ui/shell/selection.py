"""Which runs are selected, in order, and how a link has them: by their ids, or where they are many by the first id
and short hashes of the others, which are looked up among the runs that there are."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Final

import streamlit as st

from strobe.ui.shell import address

MOST_RUNS: Final = 100
NAMED: Final = 8
"""Up to so many runs have their ids in a link."""
EACH: Final = 20
"""Hashes of one parameter of a link."""
_DIGEST_BYTES: Final = 5
_RUN, _OTHERS = "run", "runs"


def hashed(run: str) -> str:
    """Eight letters and digits of a run's id: base32 of its BLAKE2b hash of 40 bits."""
    digest = hashlib.blake2b(run.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
    return base64.b32encode(digest).decode().lower()


def choose(known: Sequence[str], default: str) -> list[str]:
    """The selected runs: those of a link, else those selected before, else `default`; at most 100, never none."""
    if address.arrived(_RUN) is None and address.arrived(_OTHERS) is None:
        before: list[str] = st.session_state.get("runs", [])
        chosen = [run for run in before if run in known]
        for gone in [run for run in before if run not in known][:3]:
            address.note(f"The run {address.short(gone)} is gone from the store: it was removed or renamed since.")
    else:
        chosen = _linked(known)
    if len(chosen) > MOST_RUNS:
        address.note(f"At most {MOST_RUNS} runs are drawn at once: the first {MOST_RUNS} of {len(chosen)} are.")
    return put(chosen[:MOST_RUNS] or [default])


def put(runs: Sequence[str]) -> list[str]:
    """These are selected from now on, and in the URL."""
    chosen = st.session_state["runs"] = list(runs)
    few = len(chosen) <= NAMED
    address.write(_RUN, chosen if few else chosen[:1])
    others = [] if few else list(map(hashed, chosen[1:]))
    address.write(_OTHERS, [".".join(others[k : k + EACH]) for k in range(0, len(others), EACH)])
    return list(chosen)


def _linked(known: Sequence[str]) -> list[str]:
    """The runs of a link that there are; the others are said."""
    here = set(known)
    wanted = list(dict.fromkeys(address.asked(_RUN)))
    for bad in [run for run in wanted if run not in here][:3]:
        address.note(f"The link asks for a run {address.short(bad)!r} that is not in this store.")
    hashes = [part for text in address.asked(_OTHERS) for part in text.split(".") if part]
    by_hash = {hashed(run): run for run in known} if hashes else {}
    lost = [each for each in hashes if each not in by_hash]
    if lost:
        many = "of one more run that is" if len(lost) == 1 else f"of {len(lost):,} more runs that are"
        address.note(f"The link tells {many} not in this store.")
    named = [run for run in wanted if run in here]
    return list(dict.fromkeys([*named, *(by_hash[each] for each in hashes if each in by_hash)]))
