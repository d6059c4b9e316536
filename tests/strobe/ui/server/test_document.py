"""The one document of the app, with a script of ours before Streamlit's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from strobe.ui.server.document import is_document, plainly, with_ours


def sent(kind: bytes, *pieces: bytes, encoding: Sequence[tuple[bytes, bytes]] = ()) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        told.append(dict(message))

    async def go() -> None:
        through = with_ours(send)
        head = [(b"content-type", kind), (b"content-length", b"9"), (b"etag", b"x"), *encoding]
        await through({"type": "http.response.start", "status": 200, "headers": head})
        for k, piece in enumerate(pieces):
            more = k < len(pieces) - 1
            await through({"type": "http.response.body", "body": piece, "more_body": more})

    asyncio.run(go())
    return told


def test_the_script_stands_first_in_a_document_that_comes_in_pieces() -> None:
    start, body = sent(b"text/html; charset=utf-8", b"<head><title>", b"x</title></he", b"ad><body></head>")
    assert body["body"].startswith(b"<head><title>x</title><script>")
    assert body["body"].count(b"<script>") == 1
    headers = dict(start["headers"])
    assert headers[b"content-length"] == str(len(body["body"])).encode()
    assert b"etag" not in headers, "of the bytes that were"


@pytest.mark.parametrize("kind", [b"application/javascript", b"image/png"])
def test_all_else_goes_through_as_it_is(kind: bytes) -> None:
    start, *bodies = sent(kind, b"</head>", b"more")
    assert [one["body"] for one in bodies] == [b"</head>", b"more"]
    assert dict(start["headers"])[b"etag"] == b"x"


def test_what_is_packed_is_left_alone() -> None:
    assert sent(b"text/html", b"</head>", encoding=[(b"content-encoding", b"gzip")])[1]["body"] == b"</head>"


def test_a_document_is_asked_for_whole_and_unpacked() -> None:
    headers = [(b"accept", b"text/html,*/*"), (b"accept-encoding", b"gzip"), (b"if-none-match", b"x")]
    scope = {"type": "http", "method": "GET", "headers": headers}
    assert is_document(scope)
    assert plainly(scope)["headers"] == [(b"accept", b"text/html,*/*")]
    assert not is_document({**scope, "headers": [(b"accept", b"*/*")]})
    assert not is_document({**scope, "method": "POST"})
