"""The sandbox's child, kept for many statements: one locked engine answers them all.

Started by `tests.support.kept` in place of `etl/sql/child.py`, whose `main` it runs: greeting, confinement, imports,
and then, instead of one statement, one after another until the end of standard input. What it lacks of a real child
is the cap on processor time, which counts from a process's start, and the thread that reads on while a query runs.
"""

import importlib
import importlib.util
import json
from pathlib import Path

CHILD = Path(__file__).resolve().parents[2] / "etl" / "sql" / "child.py"


def load():
    spec = importlib.util.spec_from_file_location("child", CHILD)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def opened_once(open_engine):
    """`open_engine`, with the last engine again where its arguments are the same."""
    last = {}

    def opened(*arguments):
        key = json.dumps(arguments)
        if key not in last:
            while last:
                last.popitem()[1].close()
            last[key] = open_engine(*arguments)
        return last[key]

    return opened


def main() -> None:
    child = load()
    answer = child.answer

    def answer_all(job, replies) -> None:
        engine = importlib.import_module("etl.sql.engine")
        engine.open_engine = opened_once(engine.open_engine)
        while True:
            answer(job, replies)
            job = child.read_frame()

    child.answer = answer_all
    child.cap_processor_time = child._end_with_parent = lambda *_: None
    child.main()


main()
