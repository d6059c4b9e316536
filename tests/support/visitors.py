"""Visitors of the app that speak its protocol, without a browser."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import time
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

PROTOCOL = Subprotocol("streamlit")
QUIET_S = 0.4
"""After the end of a page: another run of the same wish begins sooner."""


def session(address: str, host: str | None = None, origin: str | None = None) -> ClientConnection:
    """A connection to `address` by the name of `host`, from a page of `origin`."""
    place = urlsplit(address)
    line = socket.create_connection((place.hostname or "", place.port or 0))
    return connect(
        f"ws://{host or place.netloc}/_stcore/stream", sock=line, subprotocols=[PROTOCOL], max_size=None,
        additional_headers={"Origin": origin} if origin else None, compression=None,
    )  # fmt: skip


def rerun(query: str = "", page: str = "") -> BackMsg:
    """The wish for a page by its name, with the part of the address behind the question mark."""
    message = BackMsg()
    message.rerun_script.query_string, message.rerun_script.page_name = query, page
    return message


def heard(visitor: ClientConnection, timeout: float = 60) -> ForwardMsg:
    return ForwardMsg.FromString(bytes(visitor.recv(timeout=timeout)))


def visit(visitor: ClientConnection, query: str = "", page: str = "", timeout: float = 60) -> list[ForwardMsg]:
    """All that is told of a page, up to its end. Raises TimeoutError where that is not there in time."""
    visitor.send(rerun(query, page).SerializeToString())
    return until_finished(visitor, timeout)


def until_finished(visitor: ClientConnection, timeout: float = 60, quiet: float = QUIET_S) -> list[ForwardMsg]:
    """All that is told until a page has ended and no other run of it begins (it may go on to another address)."""
    until, told, ended = time.monotonic() + timeout, [], False
    while True:
        try:
            told.append(heard(visitor, quiet if ended else max(0.01, until - time.monotonic())))
        except TimeoutError:
            if ended:
                return told
            raise
        ended = _is_end(told[-1]) or (ended and not told[-1].HasField("new_session"))


def _is_end(message: ForwardMsg) -> bool:
    finished = message.WhichOneof("type") == "script_finished"
    return finished and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN


def session_id(visitor: ClientConnection) -> str:
    visitor.send(rerun().SerializeToString())
    while True:
        message = heard(visitor, 30)
        if message.HasField("new_session"):
            return str(message.new_session.initialize.session_id)


def press(visitor: ClientConnection, page: str, told: str, button: str, **typed: str) -> None:
    """Asks for `page` with a button pressed and texts typed, by the keys of widgets; `told`: the words of a page that
    has them."""
    message = rerun(page=page)
    for key, kind, value in ((button, "trigger_value", True), *((k, "string_value", v) for k, v in typed.items())):
        for identity in re.findall(rf'id: "(\$\$ID-[^"]*-{key})"', told)[:1]:
            state = message.rerun_script.widget_states.widgets.add()
            state.id = identity
            setattr(state, kind, value)
    visitor.send(message.SerializeToString())


def words(told: list[ForwardMsg]) -> str:
    """Every message of a page as text, to look for words in."""
    return "\n".join(str(message) for message in told)


def put(address: str, visitor: str, body: bytes) -> int:
    """The status of an upload, with the token that the server gives to everybody who asks."""
    form = b"--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n" + body + b"\r\n--b--\r\n"
    with contextlib.closing(http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)) as asked:
        asked.request("GET", "/_stcore/health")
        given = asked.getresponse()
        given.read()
        cookie = (given.headers["Set-Cookie"] or "").partition(";")[0]
        headers = {
            "Content-Type": "multipart/form-data; boundary=b", "Cookie": cookie,
            "X-Xsrftoken": cookie.partition("=")[2],
        }  # fmt: skip
        asked.request("PUT", f"/_stcore/upload_file/{visitor}/one", form, headers)
        return asked.getresponse().status
