"""A training from the page to a readable run, in Chromium, over a real queue and a real store."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from etl.run.verify import verify_run
from etl.store.catalogue import Store
from strobe.jobs import processes
from strobe.jobs.queue import Queue
from tests.support.effort import whole_in_ci
from tests.support.queued import until
from tests.support.served import answering, free_port

pytestmark = pytest.mark.browser


@dataclass
class App:
    """`strobe app` with its own store and runs: the address that it printed, and the queue."""

    address: str
    store: Path
    queue: Queue

    def page(self, name: str) -> str:
        """The address of a page, with the token."""
        place, _, token = self.address.partition("/?")
        return f"{place}/{name}?{token}"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    pytest.importorskip("torch")
    port, root = free_port(), tmp_path_factory.mktemp("training")
    said, queue = root / "said.txt", Queue(root / "runs")
    command = [sys.executable, "-m", "strobe", "app", "--no-browser", "--port", str(port), "--store", str(root / "s")]
    told = ["sh", "-c", f'exec "$@" > {said}', "sh", *command]
    try:
        with answering(told, port, STROBE_RUNS=str(root / "runs")) as address:
            yield App(re.findall(rf"{address}/\S+", said.read_text())[0], root / "s", queue)
    finally:
        for job in queue.jobs():
            if job.state in ("queued", "running"):
                queue.cancel(job.id)
        until(lambda: not queue.at_work(), 60)


def fill(page: Any, **fields: str) -> None:
    for label, value in fields.items():
        box = page.get_by_label(label.replace("_", " "), exact=True).first
        box.fill(value)
        box.press("Enter")
        page.get_by_text(f"={value}").first.wait_for()


def logged(page: Any) -> int:
    """The step at which the curve of the running job ends."""
    curve = page.locator("img[alt^='train loss']")
    curve.wait_for(timeout=90_000)
    return int(re.findall(r"at step ([\d,]+)", curve.get_attribute("alt"))[0].replace(",", ""))


def shown_step(page: Any) -> int:
    said = page.locator(".st-live").inner_text(timeout=60_000)
    return int(re.findall(r"at step ([\d,]+)", said)[0].replace(",", ""))


@whole_in_ci
def test_a_training_is_started_watched_reloaded_and_cancelled_while_another_waits(app: App, page: Any) -> None:
    page.goto(app.page("train"))
    page.get_by_text("What will happen").wait_for(timeout=60_000)
    page.get_by_text("small", exact=True).click()
    page.get_by_text("preset=small").first.wait_for()
    fill(page, Steps="500000", Modulus="13", Width="16", Snapshot_every="250", CPU_threads="1")
    start = page.get_by_role("button", name="Start training")
    start.click()
    before = logged(page)
    until(lambda: logged(page) > before, 60)
    start.click()
    page.get_by_text("Number 1 of those that wait.").wait_for(timeout=30_000)
    assert [job.state for job in app.queue.jobs()] == ["running", "queued"]

    page.reload()
    page.get_by_text("Number 1 of those that wait.").wait_for(timeout=60_000)
    before = logged(page)
    until(lambda: logged(page) > before, 60)

    until(lambda: "small" in Store(app.store).current().names() if app.store.exists() else False, 60)
    page.goto(app.page("curves") + "&run=small")
    first = shown_step(page)
    until(lambda: shown_step(page) > first, 60)

    page.goto(app.page("train"))
    page.get_by_role("button", name="Cancel").first.click(timeout=60_000)
    until(lambda: app.queue.job(1).state == "cancelled", 90)
    until(lambda: app.queue.job(2).state == "running", 60)
    run = Store(app.store).current().run("small")
    assert run.folder is not None
    assert run.row["status"] == "interrupted"
    assert run.row["steps"] > first
    assert [found for found in verify_run(run.folder) if found.status == "bad"] == []
    page.goto(app.page("attention") + "&run=small")
    page.get_by_text("snapshot", exact=False).first.wait_for(timeout=60_000)
    assert page.locator(".st-live").count() == 0

    page.goto(app.page("train"))
    page.get_by_role("button", name="Cancel").first.click(timeout=60_000)
    until(lambda: app.queue.job(2).state == "cancelled", 90)
    until(lambda: not app.queue.at_work(), 60)
    assert all(job.child is None or not processes.birth(job.child.pid) for job in app.queue.jobs())
