"""What the one document of the app says beside Streamlit's own: what must run before all of Streamlit's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from pathlib import Path
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

_STATIC: Final = Path(__file__).parents[1] / "static"
_END: Final = b"</head>"
_CONDITIONS: Final = frozenset({b"accept-encoding", b"if-none-match", b"if-modified-since", b"range"})
_OF_THE_BYTES: Final = frozenset({b"content-length", b"etag", b"last-modified"})


@cache
def _added() -> bytes:
    texts = ((_STATIC / f"{name}.js").read_text(encoding="utf-8") for name in ("theme", "history"))
    return "<script>{}</script>".format("\n".join(texts)).encode()


def is_document(scope: Scope) -> bool:
    """Whether a browser asks for the document, by its own word."""
    headers = dict(scope["headers"])
    return scope["method"] == "GET" and b"text/html" in headers.get(b"accept", b"")


def plainly(scope: Scope) -> Scope:
    """The same wish for the whole document as it is, which alone can be added to."""
    return {**scope, "headers": [item for item in scope["headers"] if item[0] not in _CONDITIONS]}


def with_ours(send: Send) -> Send:
    """Adds our script to a document that is sent; all else goes through."""
    begun: list[Message] = []
    pieces: list[bytes] = []

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start" and _is_html(message):
            kept = [item for item in message["headers"] if item[0].lower() not in _OF_THE_BYTES]
            begun.append({**message, "headers": kept})
        elif begun and message["type"] == "http.response.body":
            pieces.append(message.get("body", b""))
            if not message.get("more_body"):
                body = b"".join(pieces).replace(_END, _added() + _END, 1)
                begun[0]["headers"].append((b"content-length", str(len(body)).encode()))
                await send(begun[0])
                await send({"type": "http.response.body", "body": body})
        else:
            await send(message)

    return sent


def _is_html(message: Message) -> bool:
    headers = {name.lower(): value for name, value in message["headers"]}
    return b"text/html" in headers.get(b"content-type", b"") and b"content-encoding" not in headers
