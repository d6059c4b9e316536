"""What the server lets through of Streamlit's protocol, asked by visitors of a real one."""

from __future__ import annotations

import contextlib
import sys
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from strobe.ui.server.gate import _kind, is_foreign
from tests.support.places import ROOT
from tests.support.served import answering, free_port
from tests.support.visitors import put, rerun, session, session_id, visit, words

FEW_FILES = 100


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The app over the example, started where few open files are allowed at first."""
    port = free_port()
    command = [
        "sh", "-c", f'ulimit -Sn {FEW_FILES}; exec "$@"', "sh", sys.executable, "-m", "streamlit", "run",
        str(ROOT / "streamlit_app.py"), "--server.address", "127.0.0.1", "--server.port", str(port),
        "--server.headless", "true",
    ]  # fmt: skip
    with answering(command, port, STROBE_STORE=str(ROOT / "examples")) as address:
        yield address


@pytest.mark.parametrize("path", ["_stcore/metrics", "_stcore/agent/openapi.json", "_stcore/script-health-check"])
def test_counters_and_the_interface_for_programs_are_closed(server: str, path: str) -> None:
    with pytest.raises(HTTPError, match="404"):
        urllib.request.urlopen(f"{server}/{path}")


def test_a_visitor_is_not_told_where_the_app_lies(server: str) -> None:
    with session(server) as visitor:
        told = visit(visitor, page="runs")
    assert any(message.HasField("new_session") for message in told)
    assert not any(str(ROOT).encode() in message.SerializeToString() for message in told)


def test_what_no_page_needs_is_not_heard(server: str) -> None:
    asked = [BackMsg(clear_cache=True), BackMsg(load_git_info=True), BackMsg(set_run_on_save=True), BackMsg()]
    asked[-1].backend_operation_request.install_skills.SetInParent()
    with session(server) as visitor:
        assert "SELECT 4711" in words(visit(visitor, "q=SELECT+4711", page="sql"))
        for message in asked:
            visitor.send(message.SerializeToString())
        told = visit(visitor, page="runs") + visit(visitor, page="sql")
    # Who is heard clearing the caches loses his own session's state as well, and with it what he typed.
    assert "SELECT 4711" in words(told)
    assert not any(message.HasField("git_info_changed") for message in told)
    assert not any(message.HasField("backend_operation_response") for message in told)


def test_nothing_can_be_uploaded(server: str) -> None:
    with session(server) as visitor:
        assert put(server, session_id(visitor), b"x" * 10_000) == 413


def test_a_message_larger_than_a_page_needs_ends_its_session(server: str) -> None:
    def say_and_hear_all(visitor: ClientConnection) -> None:
        visitor.send(rerun("x" * 13_000_000).SerializeToString())
        while True:
            visitor.recv(timeout=30)

    with session(server) as visitor, pytest.raises(ConnectionClosed):
        say_and_hear_all(visitor)


def test_what_pages_need_is_heard() -> None:
    wanted = BackMsg()
    wanted.backend_operation_request.deferred_file.file_id = "one"
    assert _kind(wanted.SerializeToString()) == "backend_operation_request"
    assert _kind(BackMsg(stop_script=True).SerializeToString()) == "stop_script"
    assert _kind(BackMsg(clear_cache=True).SerializeToString()) == "clear_cache"
    assert _kind(b"\xff" * 20) is None
    assert _kind(b"\0" * 2_000_000) is None


def test_a_page_of_another_address_opens_no_session(server: str) -> None:
    for origin in ("http://evil.example", "http://127.0.0.1:1", "null"):
        with pytest.raises(InvalidStatus, match="403"):
            session(server, origin=origin)
    with session(server, origin=server) as visitor:
        assert session_id(visitor)
    assert not is_foreign(None, "here")


def test_there_is_room_for_more_visitors_than_the_first_limit_has_files_for(server: str) -> None:
    with contextlib.ExitStack() as stack:
        visitors = [stack.enter_context(session(server)) for _ in range(FEW_FILES // 2)]
        assert session_id(visitors[-1])
