"""Ctrl-C at any moment of any command: code 130, no traceback, no temporary file left."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl.ingest.load import ingest
from tests.support.effort import UNLESS_IN_CI
from tests.support.make_run import make_run
from tests.support.places import ROOT
from tests.support.served import free_port

STARTED = "import sys; from strobe.entry import main; sys.exit(main())"
"""What the installed `strobe` does."""
LISTENING = re.compile(r'strobe/(entry|ui/server/run)\.py", line \d+, in main')
COMMANDS = {
    "help": ["--help"],
    "ingest": ["ingest", "{run}", "--store", "{scratch}/store"],
    "watch": ["ingest", "{live}", "--store", "{scratch}/store", "--watch", "--every", "0.1"],
    "analyze": ["analyze", "run", "--store", "{store}"],
    "sql": ["sql", "SELECT count(*) FROM range(100000000) a, range(1000) b", "--store", "{store}"],
    "plot": ["plot", "report", "run", "--out", "{scratch}/report.svg", "--store", "{store}"],
    "gif": ["export", "gif", "attention", "run", "--out", "{scratch}/a.gif", "--store", "{store}"],
    "mp4": ["export", "mp4", "embedding", "run", "--out", "{scratch}/a.mp4", "--store", "{store}"],
    "csv": ["export", "csv", "run", "--out", "{scratch}/a.csv", "--store", "{store}"],
    "verify": ["verify", "{run}"],
    "app": ["app", "--port", "{port}", "--no-browser", "--store", "{store}"],
    "train": ["train", "modadd", "--steps", "100000", "--width", "8", "--heads", "2", "--out", "{scratch}/trained"],
}


@dataclass(frozen=True)
class Ended:
    code: int
    said: str


def interrupted(arguments: list[str], moments: list[float]) -> Ended:
    """How the command ends that gets a SIGINT at each of the `moments` (seconds after its start), and its children
    with it, as from a terminal."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", STARTED, *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment
    )
    began = time.monotonic()
    for moment in moments:
        time.sleep(max(0.0, began + moment - time.monotonic()))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=120)[1]
    return Ended(process.returncode, said)


def before_us(said: list[str]) -> bool:
    """Whether Python was still on its way to the line with which we take care of Ctrl-C: that is told by itself."""
    if said and said[0].startswith("Fatal Python error: init_"):
        return True
    began = said[:1] == ["Traceback (most recent call last):"] and said[1].startswith('  File "<string>", line 1')
    return began and said[-1] == "KeyboardInterrupt" and not LISTENING.search("\n".join(said))


def check(ended: Ended, scratch: Path) -> None:
    if before_us(ended.said.splitlines()):
        return
    assert "Traceback" not in ended.said, ended.said
    assert "Exception ignored" not in ended.said, ended.said
    assert ended.code in (130, -signal.SIGINT, 0), ended
    assert [path.name for path in scratch.rglob(".*tmp*")] == []


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("interrupted")
    run = make_run(folder / "run", steps=range(0, 2000, 100))
    live = make_run(folder / "live", end=None)
    ingest([run], folder / "store")
    return {"run": run, "live": live, "store": folder / "store"}


def try_once(places: dict[str, Path], name: str, scratch: Path, moments: list[float]) -> Ended:
    scratch.mkdir()
    arguments = [part.format(**places, scratch=scratch, port=free_port()) for part in COMMANDS[name]]
    ended = interrupted(arguments, moments)
    check(ended, scratch)
    return ended


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_ends_quietly_at_any_moment(places: dict[str, Path], name: str, tmp_path: Path) -> None:
    """Ten times in the first 300 ms, ten times later; once or three times."""
    chance = random.Random(name)
    for turn in range(20):
        first = chance.uniform(0, 0.3) if turn < 10 else chance.uniform(0.3, 6)
        gaps = [0.0] if turn % 2 else [0.0, chance.uniform(0, 0.3), chance.uniform(0.3, 0.6)]
        try_once(places, name, tmp_path / str(turn), [first + gap for gap in gaps])


@pytest.mark.parametrize("moments", [[0.2, 0.25, 0.3], pytest.param([0.1], marks=UNLESS_IN_CI)])
def test_a_command_that_begins_ends_quietly(places: dict[str, Path], tmp_path: Path, moments: list[float]) -> None:
    try_once(places, "ingest", tmp_path / "scratch", moments)


PROGRAM = """
    import os, signal, sys, threading, time
    from pathlib import Path
    from etl.replacing import remove_unfinished, replacing
    from strobe import interrupts
    from strobe.interrupts import CODE, Interrupts

    interrupts._PATIENCE_S = float(sys.argv[3])
    held = Interrupts(remove_unfinished)
    held.listen()

    class Swallowing:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.001)

    def work(how):
        with replacing(Path(sys.argv[1]), fsync=False):
            if how == "swallowed":
                Swallowing()
                time.sleep(30)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)

    try:
        try:
            work(sys.argv[2])
        except KeyboardInterrupt:
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.2 if sys.argv[2] == "hanging" else 0.001)
            print("unwound", flush=True)
            raise
    except BaseException:
        assert held.came
        held.over()
        os.kill(os.getpid(), signal.SIGINT)
        sys.exit(CODE)
"""


def program(path: Path, how: str, patience: float) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(path), how, str(patience)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


@pytest.mark.parametrize("how", ["at work", "swallowed"])
def test_what_comes_while_one_unwinds_waits_for_it(tmp_path: Path, how: str) -> None:
    ended = program(tmp_path / "out", how, 10)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "unwound\n", "")
    assert list(tmp_path.iterdir()) == []


ABORTS_AT_ITS_END = """
    import atexit, ctypes, os, signal, threading, time
    from strobe import cli
    from strobe.entry import main

    libc = ctypes.CDLL(None)
    libc.__cxa_atexit(ctypes.cast(libc.abort, ctypes.c_void_p), None, None)

    def work():
        print("begun")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)

    def last():
        time.sleep(0.1)
        print("waited for")

    atexit.register(print, "ended")
    threading.Thread(target=last).start()
    cli.main = work
    main()
"""


def test_libraries_that_cannot_end_after_an_interrupt_are_not_asked_to() -> None:
    """As a DuckDB whose threads stand in the midst of a statement."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", textwrap.dedent(ABORTS_AT_ITS_END)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "begun\nwaited for\nended\n", "")


def test_unwinding_that_hangs_is_given_up(tmp_path: Path) -> None:
    ended = program(tmp_path / "out", "hanging", 0.1)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_what_is_given_up_leaves_no_temporary_file(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from etl.replacing import remove_unfinished, replacing
        with replacing(Path(sys.argv[1])):
            print(len(list(Path(sys.argv[1]).parent.iterdir())))
            remove_unfinished()
            print(len(list(Path(sys.argv[1]).parent.iterdir())), flush=True)
            import os
            os._exit(130)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert ended.stdout.split() == ["1", "0"]


def test_a_job_in_the_background_ignores_it_as_before() -> None:
    code = """
        import signal
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        import strobe.entry
        from strobe.interrupts import Interrupts
        Interrupts(lambda: None).listen()
        print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert ended.stdout.strip() == "True", ended.stderr
