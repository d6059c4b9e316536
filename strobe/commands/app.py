"""`strobe app`: the app on this machine only, with writing on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from etl.errors import StrobeError

_FOLLOW = """import os, sys, threading, time
server = int(sys.argv.pop(1))
def end_with_it():
    while os.getppid() == server:
        time.sleep(1)
    os._exit(0)
threading.Thread(target=end_with_it, daemon=True).start()
from strobe.cli import main
main()"""
"""`strobe` with the arguments behind the first, which is the process that it ends with."""
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


def follower(paths: list[Path], store: Path) -> list[str]:
    """The command line of what follows recordings for as long as the server lives."""
    return [
        sys.executable, "-c", _FOLLOW, str(os.getpid()), "ingest", *map(str, paths), "--store", str(store), "--watch",
    ]  # fmt: skip


def _read_and_follow(paths: list[Path], environment: dict[str, str]) -> None:
    from strobe.commands.data import ingest
    from strobe.settings import store_path

    target = Path(environment.get("STROBE_STORE") or store_path())
    # What of them is damaged is said, and the rest is shown.
    with contextlib.suppress(typer.Exit):
        ingest(paths, store=target)
    subprocess.Popen(
        follower(paths, target), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def app(
    store: Annotated[
        Path | None, typer.Option("--store", help="Store to open; default $STROBE_STORE, else ./store.")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on 127.0.0.1.")] = 8501,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")] = True,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Runs, logs, folders of some: read first, then followed."),
    ] = None,
) -> None:
    """Open the app on 127.0.0.1, with writing on for who has the address that it prints.

    PATHs are brought into the store first, and followed while they grow.
    """
    if not _ENTRY.is_file():
        raise StrobeError(
            f"{_ENTRY} is missing: the app runs from a checkout; clone the repository and `pip install -e .` there"
        )
    environment = os.environ | {"STROBE_READ_ONLY": "0"}
    if store is not None:
        environment["STROBE_STORE"] = str(store)
    if paths:
        _read_and_follow(paths, environment)
    command = arguments(port, browser)
    sys.stdout.flush()
    # A Ctrl-C from here on waits until the server's process can take it.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        # In our place, not below us: a signal to this process then ends the server, and frees its port.
        os.execve(command[0], command, environment)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
