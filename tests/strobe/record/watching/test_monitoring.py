"""The weight monitor beside a watched run, and its mirror in TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import strobe
from strobe.record.monitor import WeightMonitor
from strobe.record.monitor.mirror import MOST_TAGS, MonitorMirror
from tests.support.watched import trained


class Writer:
    def __init__(self) -> None:
        self.added: list[tuple[str, float, int]] = []

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        self.added.append((tag, scalar_value, global_step))


def watched(folder: Path, **options: Any) -> list[dict[str, Any]]:
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with strobe.watch(model, optimizer, folder, every=2, **options):
        trained(model, optimizer, lambda _: model(torch.ones(1, 4)).square().sum(), 4)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_its_series_are_logged_at_the_steps_of_snapshots_and_mirrored(tmp_path: Path) -> None:
    writer = Writer()
    lines = watched(tmp_path / "run", monitor=True, writer=writer)
    assert [line["step"] for line in lines] == [0, 2]
    assert all(line["monitor/update_ratio_median"] > 0 and line["monitor/tensors"] == 2 for line in lines)
    tags = {tag for tag, _, _ in writer.added}
    assert len(tags) <= MOST_TAGS
    assert tags == {name for name in lines[0] if name.startswith("monitor/")}
    assert {step for _, _, step in writer.added} == {0, 2}


def test_a_monitor_of_your_own_is_the_one_that_looks(tmp_path: Path) -> None:
    monitor = WeightMonitor(sample_size=2)
    watched(tmp_path / "run", monitor=monitor)
    assert {stats.tensor for stats in monitor.updates} == {"weight", "bias"}


def test_a_mirror_has_so_many_tags_at_most() -> None:
    writer = Writer()
    mirror = MonitorMirror(writer)
    for step in range(2):
        mirror.add({f"s{i}": float(i) for i in range(40)}, step)
    assert len(writer.added) == 2 * MOST_TAGS
    assert writer.added[0] == ("monitor/s0", 0.0, 0)


def test_a_real_writer_takes_them(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        from torch.utils.tensorboard import SummaryWriter
    with SummaryWriter(str(tmp_path / "tb")) as writer:
        watched(tmp_path / "run", monitor=True, writer=writer)
    assert list((tmp_path / "tb").glob("events.*"))
