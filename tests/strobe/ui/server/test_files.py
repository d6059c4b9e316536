"""A movie from the button to the file, by a visitor of a real server."""

from __future__ import annotations

import contextlib
import re
import time
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.support.places import ROOT
from tests.support.served import served
from tests.support.visitors import press, session, until_finished, visit, words


def fetched(address: str, path: str) -> tuple[bytes, str]:
    with urllib.request.urlopen(f"{address}/{path}", timeout=30) as answer:
        return answer.read(), answer.headers["Content-Disposition"]


def makers() -> list[str]:
    """The processes that make movies for a server of this tree."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"movie_child" in (place / "cmdline").read_bytes() and (place / "cwd").readlink() == ROOT:
                found.append(place.name)
    return found


def gone(address: str, path: str, seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            fetched(address, path)
        except HTTPError as error:
            return error.code == 404
        time.sleep(0.5)
    return False


@pytest.mark.slow
def test_a_movie_is_fetched_from_the_disk_and_gone_with_its_visitor() -> None:
    with served(ROOT / "examples") as address:
        with session(address) as visitor:
            told = words(visit(visitor, page="attention"))
            press(visitor, "attention", told, "movie_attention_gif")
            until_finished(visitor)
            until, place = time.monotonic() + 120, None
            while place is None and time.monotonic() < until:
                found = re.search(r"movies/[\w-]+/[\w.-]+", words(visit(visitor, page="attention")))
                place = found[0] if found else None
            assert place is not None
            movie, named = fetched(address, place)
            assert movie.startswith(b"GIF8")
            assert 'attachment; filename="grok-p97-attention.gif"' in named
            with pytest.raises(HTTPError, match="404"):
                fetched(address, "movies/another-key/grok-p97-attention.gif")
        assert gone(address, place)
        with session(address) as visitor:
            told = words(visit(visitor, page="weights"))
            press(visitor, "weights", told, "movie_weights_gif")
            until_finished(visitor)
            assert makers()
        until = time.monotonic() + 30
        while makers():
            assert time.monotonic() < until
            time.sleep(0.1)
