"""`strobe app`: the app on this machine only, with writing on."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from etl.errors import StrobeError

_ENTRY = Path(__file__).resolve().parents[2] / "streamlit_app.py"


def arguments(port: int, browser: bool) -> list[str]:
    """The command line of the server: bound to 127.0.0.1, whatever a config file says, and asked for by no other
    name: a page of a stranger, whose name was made to lead here, is another host."""
    return [
        sys.executable, "-m", "strobe.ui.server.run", "run", str(_ENTRY),
        "--server.address", "127.0.0.1", "--server.port", str(port),
        "--server.allowedHosts", "127.0.0.1", "--server.allowedHosts", "localhost",
        # The server prints the address itself, with its token.
        "--logger.hideWelcomeMessage", "true", *([] if browser else ["--server.headless", "true"]),
    ]  # fmt: skip


def app(
    store: Annotated[
        Path | None, typer.Option("--store", help="Store to open; default $STROBE_STORE, else ./store.")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on 127.0.0.1.")] = 8501,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")] = True,
) -> None:
    """Open the app on 127.0.0.1, with writing on for who has the address that it prints."""
    if not _ENTRY.is_file():
        raise StrobeError(
            f"{_ENTRY} is missing: the app runs from a checkout; clone the repository and `pip install -e .` there"
        )
    environment = os.environ | {"STROBE_READ_ONLY": "0"}
    if store is not None:
        environment["STROBE_STORE"] = str(store)
    command = arguments(port, browser)
    sys.stdout.flush()
    # A Ctrl-C from here on waits until the server's process can take it.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        # In our place, not below us: a signal to this process then ends the server, and frees its port.
        os.execve(command[0], command, environment)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
