"""Movies one after the other, in a child each, and gone with their visitor."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strobe.ui.panel import movie_jobs
from strobe.ui.panel.movie_jobs import MOST_WAITING, Job, Maker

QUICK = "import sys; print('1 2'); print('2 2'); open(sys.argv[1], 'w').write('movie')"
ENDLESS = "import time; print('1 1001', flush=True); time.sleep(600)"
BROKEN = "import sys; sys.exit(1)"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(movie_jobs, "folder", lambda: tmp_path)
    monkeypatch.setattr(movie_jobs, "AWAY_S", 0.2)
    return tmp_path


@pytest.fixture
def maker(folder: Path) -> Iterator[Maker]:
    made = Maker(lambda job: [sys.executable, "-c", job.what[0], str(job.path)])
    yield made
    for job in list(made._jobs):
        made.drop(job)
    until(lambda: not made._works)


def asked(maker: Maker, visitor: str, code: str, here: Callable[[], bool] = lambda: True) -> Job:
    job = Job(visitor, (code,), "movie.gif", here)
    assert maker.ask(job)
    return job


def until(true: Callable[[], object]) -> None:
    limit = time.monotonic() + 20
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.01)


def children() -> list[str]:
    """Command lines of this process's children."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
            line = (place / "cmdline").read_text()
        except OSError:
            continue
        if int(parent) == os.getpid() and line:
            found.append(line)
    return found


def test_a_movie_lies_on_the_disk_until_its_visitor_leaves(maker: Maker, folder: Path) -> None:
    here = [True]
    job = asked(maker, "a", QUICK, lambda: here[0])
    until(lambda: job.state == "made")
    assert (job.done, job.total) == (2, 2)
    assert maker.made(job.key) is job
    assert job.path.read_text() == "movie"
    here[0] = False
    until(lambda: not list(folder.iterdir()))
    assert maker.made(job.key) is None
    assert maker.of("a") is None


def test_one_is_made_at_a_time_and_few_wait(maker: Maker) -> None:
    first = asked(maker, "a", ENDLESS)
    until(lambda: first.total)
    waiting = [asked(maker, f"{number}", QUICK) for number in range(MOST_WAITING)]
    assert not maker.ask(Job("z", (QUICK,), "movie.gif", lambda: True))
    assert [maker.before(job) for job in waiting] == [1, 2, 3, 4]
    assert sum("1001" in line for line in children()) == 1
    assert {job.state for job in waiting} == {"waiting"}
    maker.drop(first)
    until(lambda: all(job.state == "made" for job in waiting))
    for job in waiting:
        maker.drop(job)


@pytest.mark.parametrize("how", ["leaves", "cancels", "asks for another"])
def test_what_nobody_waits_for_is_not_made(maker: Maker, folder: Path, how: str) -> None:
    here = [True]
    job = asked(maker, "a", ENDLESS, lambda: here[0])
    until(lambda: job.total)
    if how == "leaves":
        here[0] = False
    elif how == "cancels":
        maker.drop(job)
    else:
        other = asked(maker, "a", QUICK)
        until(lambda: other.state == "made")
        maker.drop(other)
    until(lambda: not any("1001" in line for line in children()))
    until(lambda: not list(folder.iterdir()))


def test_a_line_that_fails_for_a_moment_stops_nothing(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movie_jobs, "AWAY_S", 60.0)
    here = [False]
    job = asked(maker, "a", QUICK, lambda: here[0])
    until(lambda: job.state == "made")
    maker.drop(job)


def test_what_is_left_out_is_told(maker: Maker) -> None:
    job = asked(maker, "a", "print('without 1 damaged snapshot (step 10)'); " + QUICK)
    until(lambda: job.state == "made")
    assert (job.without, job.done, job.total) == ("without 1 damaged snapshot (step 10)", 2, 2)
    maker.drop(job)


def test_a_maker_that_fails_says_so(maker: Maker) -> None:
    job = asked(maker, "a", BROKEN)
    until(lambda: job.state == "failed")
    assert maker.made(job.key) is None
    maker.drop(job)


def test_what_a_killed_process_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(movie_jobs.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(movie_jobs.tempfile, "tempdir", str(tmp_path))
    names = ("strobe-movies-99999999-x", "strobe-movies-1-x", "strobe-maps-1")
    left, ours, others = (tmp_path / name for name in names)
    for place in (left, ours, others):
        place.mkdir()
    made = movie_jobs._folder.__wrapped__()
    assert sorted(tmp_path.iterdir()) == sorted([ours, others, made])
    assert made.stat().st_mode & 0o077 == 0
