"""t-SNE and UMAP in a process of their own: right, kept by content, and gone without a trace when it is cancelled."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from strobe.analysis.projection import procrustes
from strobe.ui.embeddings.neighbour_jobs import folder
from strobe.views.neighbour_maps import neighbour_map
from tests.support.places import ROOT

ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
PAGE = str(ROOT / "pages" / "embeddings.py")


def clusters() -> np.ndarray:
    """(2, 20, 8): two groups of ten far apart, in two frames."""
    random = np.random.default_rng(0)
    centres = np.repeat([[0.0] * 8, [50.0] * 8], 10, axis=0)
    return (centres + random.normal(size=(2, 20, 8))).astype(np.float32)


QUICK_TSNE = """
import time

class TSNE:
    def __init__(self, **options):
        pass

    def fit_transform(self, rows):
        time.sleep(0.25)
        return rows[:, :2]
"""
"""In place of scikit-learn's, whose import and first fit take seconds. 400 frames take longer than a test waits."""


@pytest.fixture(params=["quick", pytest.param("real", marks=pytest.mark.slow)])
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a child that has a quick t-SNE, or, with -m slow, the real one."""
    if request.param == "real":
        return ENVIRONMENT
    folder = tmp_path_factory.mktemp("quick")
    (folder / "sklearn").mkdir()
    (folder / "sklearn" / "__init__.py").touch()
    (folder / "sklearn" / "manifold.py").write_text(QUICK_TSNE)
    return ENVIRONMENT | {"PYTHONPATH": f"{folder}:{ROOT}"}


def test_a_child_leaves_the_map_and_nothing_else(tmp_path: Path, environment: dict[str, str]) -> None:
    np.save(tmp_path / "frames.npy", clusters())
    command = [sys.executable, "-m", "strobe.views.neighbour_maps", "frames.npy", "tsne", "out.npy"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, env=environment) as child:
        assert child.wait(60) == 0
    made = np.load(tmp_path / "out.npy")
    assert made.shape == (2, 20, 2)
    for frame in made:
        apart = np.linalg.norm(frame[:10].mean(0) - frame[10:].mean(0))
        assert apart > 2 * max(frame[:10].std(), frame[10:].std())
    assert [path.name for path in tmp_path.iterdir()] == ["out.npy"]


STARTER = """
import os, sys, threading
from pathlib import Path
import numpy as np
import streamlit as st
from strobe.ui.embeddings import neighbour_jobs
given = np.random.default_rng(0).normal(size=(400, 60, 8))
def start(out):
    st.cache_resource.clear()
    neighbour_jobs._start(given, "tsne", out)
out = Path(sys.argv[1])
starting = [threading.Thread(target=start, args=(out.with_name(name),)) for name in (out.name, *"abcdefg")]
for thread in starting:
    thread.start()
    thread.join(0.05)
for thread in starting:
    thread.join()
print(*(child.pid for child in neighbour_jobs._JOBS.running.values()), flush=True)
sys.stdin.read()
"""


def test_one_map_is_made_at_a_time_and_a_killed_server_leaves_none_at_work(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    out = tmp_path / "out.npy"
    server = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    with server:
        assert server.stdout is not None
        # Seven more were asked for meanwhile, each by a visitor who cleared the caches first.
        (child,) = map(int, server.stdout.readline().split())
        progress = out.with_name("out.npy.progress")
        # The thread that began it has ended, and it is at work all the same.
        waited(lambda: progress.exists() and not progress.read_text().startswith("0"))
        server.kill()
    waited(lambda: not alive(child))


def waited(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """False for a process that is gone, or that only waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_every_frame_starts_from_the_one_before_it_as_shown_and_is_aligned_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a t-SNE that mirrors, scales and moves its frames, and remembers where each was to start."""
    starts: list[np.ndarray | None] = []

    def seen(frame: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
        starts.append(start)
        return frame[:, 1::-1] * 7 + 3

    monkeypatch.setattr("strobe.analysis.projection.tsne", seen)
    frames = np.random.default_rng(6).standard_normal((4, 13, 4)) * [1, 2, 5, 3]
    shown = neighbour_map(frames, "tsne")
    assert np.array_equal(shown[0], frames[0][:, 1::-1] * 7 + 3)
    assert starts[0] is None
    for i in range(1, 4):
        assert np.array_equal(starts[i], shown[i - 1])
        assert shown[i] == pytest.approx(procrustes(frames[i][:, 1::-1] * 7, shown[i - 1]))


def test_frames_that_are_alike_stay_where_they_are() -> None:
    shown = neighbour_map(np.stack([clusters()[0]] * 2), "tsne")
    assert np.corrcoef(shown.reshape(2, -1))[0, 1] > 0.9


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="there are tsne, umap"):
        neighbour_map(clusters(), "magic")


@pytest.mark.slow
def test_umap_holds_the_frames_together() -> None:
    made = neighbour_map(clusters(), "umap")
    assert made.shape == (2, 20, 2)
    assert np.linalg.norm(made[0] - made[1], axis=1).max() < np.ptp(made)


def test_the_page_offers_the_map_and_shows_it_once_it_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = []

    def instead(frames, method, out):
        out.parent.mkdir(parents=True, exist_ok=True)
        np.save(out, frames[:, :, :2])
        made.append(method)

    monkeypatch.setattr("strobe.ui.embeddings.neighbour_jobs._start", instead)
    at = AppTest.from_file(PAGE, default_timeout=60)
    at.query_params["axes"] = "tsne"
    at.run()
    assert not at.exception
    assert "t-SNE of 28 snapshots of 98 rows" in "".join(element.proto.body for element in at.get("html"))
    at.button(key="compute_tsne").click().run()
    assert not at.exception
    assert made == ["tsne"]
    assert not [button for button in at.button if button.key == "compute_tsne"]
    assert "each step aligned with the one before" in "".join(element.proto.body for element in at.get("html"))


def test_who_may_not_write_does_not_write_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("strobe.ui.shell.writing.on", lambda: False)
    assert tmp_path / "store" not in folder().parents
    monkeypatch.setattr("strobe.ui.shell.writing.on", lambda: True)
    assert folder() == tmp_path / "store" / "cache" / "maps"
