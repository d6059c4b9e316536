"""What the app's server accepts of strangers, asked by its own protocol."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.support.served import answering, free_port, served
from tests.support.visitors import put, rerun, session, session_id


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("store")) as address:
        yield address


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


def test_the_app_that_writes_answers_this_machine_alone(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "strobe", "app", "--no-browser", "--port", str(port), "--store", str(tmp_path)]
    with answering(command, port) as address:
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example"):
            with pytest.raises(InvalidStatus):
                session(address, host)
        for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
            with session(address, host) as visitor:
                assert session_id(visitor)
