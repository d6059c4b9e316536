"""The DuckDB that a process shares, after a fork: its threads stay behind, and it must not end in the child."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from etl.store.database import shared_database

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def ask() -> int:
    """A query that all threads of the DuckDB work at."""
    with shared_database().cursor() as cursor:
        (found,) = cursor.execute("SELECT count(DISTINCT range % 1000) FROM range(2_000_000)").fetchall()[0]
    return int(found)


def test_a_child_that_runs_something_else_starts() -> None:
    """What is asked to be run before exec makes subprocess fork by hand, with all that hears of a fork."""
    assert ask() == 1000
    for _ in range(20):
        done = subprocess.run([sys.executable, "-S", "-c", ""], preexec_fn=lambda: None, check=False)
        assert done.returncode == 0


def test_a_child_asks_one_of_its_own() -> None:
    assert ask() == 1000
    if (child := os.fork()) == 0:
        os._exit(0 if ask() == 1000 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ask() == 1000
