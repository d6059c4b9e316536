"""Movies that visitors asked for: one maker at a time, a short queue, and files that go when their visitor does."""

from __future__ import annotations

import atexit
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Literal

MOST_WAITING: Final = 4
"""Visitors whose movies wait for the one that is made."""
KEPT_S: Final = 600.0
"""How long a file can be fetched, while its visitor is there."""
LIMIT_S: Final = 900.0
"""The longest that a movie may take."""
AWAY_S: Final = 5.0
"""A visitor is gone when he is away for this long: a line that fails for a moment is taken up again."""
_LOOK_S: Final = 0.25
_FOLDER_LOCK: Final = threading.Lock()
_ROOT: Final = Path(__file__).resolve().parents[3]

State = Literal["waiting", "making", "made", "failed"]


@dataclass(eq=False)
class Job:
    """One movie: for whom, by which command (its last argument is the file), and how far it is."""

    visitor: str
    what: tuple[str, ...]
    """What is made, for its visitor's page to know it by."""
    name: str
    """Of the file, for who fetches it."""
    here: Callable[[], bool]
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    state: State = "waiting"
    done: int = 0
    total: int = 0
    without: str = ""
    """What is left out of it, in words."""
    made_at: float = 0.0
    seen: float = field(default_factory=time.monotonic)
    dropped: bool = False

    @property
    def path(self) -> Path:
        return self.folder / "movie"

    @property
    def folder(self) -> Path:
        return folder() / self.key

    def wanted(self) -> bool:
        """Whether the visitor is there and did not drop it."""
        now = time.monotonic()
        if self.here():
            self.seen = now
        return not self.dropped and now - self.seen < AWAY_S


class Maker:
    """The jobs of this process, one of each visitor at most, and the thread that does them."""

    def __init__(self, command: Callable[[Job], Sequence[str]]) -> None:
        self._command = command
        self._changed = threading.Condition()
        self._jobs: list[Job] = []
        self._works = False

    def ask(self, job: Job) -> bool:
        """Takes the job in the place of the visitor's last one; False where too many wait."""
        with self._changed:
            for other in self._jobs:
                other.dropped |= other.visitor == job.visitor
            if sum(other.state == "waiting" and not other.dropped for other in self._jobs) >= MOST_WAITING:
                return False
            self._jobs.append(job)
            if not self._works:
                self._works = True
                threading.Thread(target=self._work, name="movie-maker", daemon=True).start()
            self._changed.notify_all()
            return True

    def of(self, visitor: str) -> Job | None:
        with self._changed:
            return next((job for job in self._jobs if job.visitor == visitor and not job.dropped), None)

    def before(self, job: Job) -> int:
        """How many come first, the one that is made included."""
        with self._changed:
            place = self._jobs.index(job) if job in self._jobs else 0
            return sum(other.state in ("waiting", "making") for other in self._jobs[:place])

    def drop(self, job: Job) -> None:
        """Stops the job if it runs, and removes its file."""
        with self._changed:
            job.dropped = True
            self._changed.notify_all()

    def made(self, key: str) -> Job | None:
        """The job whose file may be fetched by this key."""
        with self._changed:
            return next((job for job in self._jobs if job.state == "made" and job.key == key), None)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._clean()
                if not self._jobs:
                    self._works = False
                    return
                following = next((job for job in self._jobs if job.state == "waiting"), None)
                if following is None:
                    self._changed.wait(_LOOK_S)
                    continue
                following.state = "making"
            self._make(following)

    def _clean(self) -> None:
        for job in [job for job in self._jobs if job.state != "making" and _is_over(job)]:
            self._jobs.remove(job)
            shutil.rmtree(job.folder, ignore_errors=True)

    def _make(self, job: Job) -> None:
        job.folder.mkdir()
        with subprocess.Popen(
            self._command(job), cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True, text=True,
        ) as child:  # fmt: skip
            assert child.stdout is not None
            reader = threading.Thread(target=_follow, args=(child.stdout, job), daemon=True)
            reader.start()
            until = time.monotonic() + LIMIT_S
            while child.poll() is None and job.wanted() and time.monotonic() < until:
                with self._changed:
                    self._changed.wait(_LOOK_S)
                    self._clean()
            child.kill()
            code = child.wait()
            reader.join()
        with self._changed:
            job.state, job.made_at = "made" if code == 0 and job.path.is_file() else "failed", time.monotonic()


def _is_over(job: Job) -> bool:
    old = job.state in ("made", "failed") and time.monotonic() - job.made_at > KEPT_S
    return old or not job.wanted()


def _follow(lines: Iterable[str], job: Job) -> None:
    for line in lines:
        if line.startswith("without "):
            job.without = line.strip()
            continue
        done, _, total = line.partition(" ")
        job.done, job.total = int(done), int(total)


def _command(job: Job) -> list[str]:
    return [sys.executable, "-m", "strobe.ui.panel.movie_child", *job.what, str(job.path)]


_MAKER: Final = Maker(_command)
"""Of this module, and in no cache, which threads that come at once may each fill."""


def maker() -> Maker:
    """The one maker of this process."""
    return _MAKER


def folder() -> Path:
    """Of this process, closed to all other accounts, and gone with it."""
    with _FOLDER_LOCK:
        return _folder()


@cache
def _folder() -> Path:
    """Made anew; what processes left that were killed is removed."""
    place = Path(tempfile.gettempdir())
    for left in place.glob("strobe-movies-*-*"):
        number = re.fullmatch(r"strobe-movies-(\d+)-\w+", left.name)
        if number and not Path(f"/proc/{number[1]}").exists() and left.lstat().st_uid == os.getuid():
            shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=f"strobe-movies-{os.getpid()}-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
