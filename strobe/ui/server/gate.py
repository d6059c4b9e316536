"""What comes through to Streamlit, and what goes out: strangers may ask for pages, and for nothing else.

Streamlit's protocol has more than a page needs. Any visitor may clear the caches of all, ask where the app lies in
its repository and on its disk, or read the counters of the server. No option turns these off, so they end here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

import streamlit as st
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from strobe.settings import read_only
from strobe.ui.server.document import is_document, plainly, with_ours
from strobe.ui.server.turns import Turns, Visitor

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CLOSED: Final = ("/_stcore/metrics", "/_stcore/agent/", "/_stcore/script-health-check")
HEARD: Final = frozenset({"rerun_script", "stop_script", "app_heartbeat", "backend_operation_request"})
"""What a browser may say. Not `clear_cache`, `load_git_info`, `file_urls_request`, `set_run_on_save`, `debug_*`."""
OPERATIONS: Final = frozenset({"deferred_file", "dataframe_chunk"})
_ENTRY: Final = "streamlit_app.py"
_MOST_READ: Final = 1 << 16
"""Bytes. Larger messages are what pages show; those that are looked at here are a few kilobytes."""


class Gate:
    """ASGI middleware round Streamlit's own."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app, self._turns = app, Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_closed(scope["path"]):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        elif scope["type"] == "websocket":
            await self._stream(scope, receive, send)
        else:
            answer = send if read_only() else _unframed(send)
            if scope["type"] == "http" and is_document(scope):
                scope, answer = plainly(scope), with_ours(answer)
            await self._app(scope, receive, answer)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_foreign(_header(scope, b"origin"), _header(scope, b"host")):
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        visitor = self._turns.visitor()

        async def heard() -> Message:
            while True:
                message = await receive()
                said = message.get("bytes") if message["type"] == "websocket.receive" else None
                if not said:
                    return message
                kind = _kind(said)
                if kind == "rerun_script":
                    await self._turns.begin(visitor)
                if kind is None or kind in HEARD:
                    return message

        async def told(message: Message) -> None:
            data = message.get("bytes") if message["type"] == "websocket.send" else None
            if data and len(data) < _MOST_READ:
                message = {**message, "bytes": self._told(visitor, data)}
            await send(message)

        try:
            await self._app(scope, heard, told)
        finally:
            self._turns.end(visitor)

    def _told(self, visitor: Visitor, data: bytes) -> bytes:
        """What a browser is told, without the place of the app on this machine."""
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self._turns.end(visitor)
        if kind != "new_session":
            return data
        self._turns.begun(visitor)
        message.new_session.main_script_path = _ENTRY
        return bytes(message.SerializeToString())


def is_foreign(origin: str | None, host: str | None) -> bool:
    """Whether a page of another address asks. Streamlit lets any page of this machine in, whatever its port, and to
    know all others it asks a service on the Internet for this machine's address, while everybody waits."""
    if origin is None or not st.get_option("server.enableCORS"):
        return False
    return urlsplit(origin).netloc != host and origin not in (st.get_option("server.corsAllowedOrigins") or ())


def _unframed(send: Send) -> Send:
    """No other page shows this one inside itself, where a click on that would be a click on this."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"x-frame-options", b"DENY")]}
        await send(message)

    return sent


def _is_closed(path: str) -> bool:
    # A server may lie below a path of its own.
    return any(place in path for place in CLOSED)


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def _kind(data: bytes) -> str | None:
    """What a browser says; "" where it is not heard, None where it cannot be read or is too long, which Streamlit
    answers by ending the connection."""
    if len(data) > st.get_option("server.maxWidgetStateSize") * 1_000_000:
        return None
    try:
        message = BackMsg.FromString(data)
    except DecodeError:
        return None
    kind = message.WhichOneof("type")
    if kind == "backend_operation_request":
        return kind if message.backend_operation_request.WhichOneof("payload") in OPERATIONS else ""
    return kind or ""
