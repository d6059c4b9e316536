"""The monitor on planted faults and on a healthy training."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from strobe.record.monitor import Finding, Kind, WeightMonitor
from strobe.record.monitor.aggregates import percentile
from strobe.record.monitor.sample import Sample, fnv1a32, sample_places
from strobe.record.monitor.updates import update_ratio


def small_model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))


def trained(
    model: nn.Module, optimizer: torch.optim.Optimizer, monitor: WeightMonitor, steps: int = 4,
    forward: Callable[[Any, Any], Any] | None = None, scale: float = 1.0,
) -> list[Finding]:  # fmt: skip
    """What the monitor found at the last of `steps` steps of least squares."""
    for step in range(steps):
        x = torch.randn(32, 8).to(next(model.parameters()).dtype)
        out = forward(model, x) if forward is not None else model(x)
        optimizer.zero_grad()
        (scale * ((out - x.sum(1, keepdim=True)) ** 2).mean()).backward()
        monitor.check_gradients(model, optimizer, step=step)
        optimizer.step()
        monitor.check_updates(model, optimizer, step=step)
    return monitor.findings


def by_tensor(findings: list[Finding]) -> dict[str, set[Kind]]:
    found: dict[str, set[Kind]] = {}
    for finding in findings:
        found.setdefault(finding.tensor, set()).add(finding.kind)
    return found


@pytest.mark.parametrize("name", ["SGD", "AdamW", "Adam", "RMSprop"])
def test_a_healthy_training_raises_nothing(name: str, caplog: pytest.LogCaptureFixture) -> None:
    model = small_model()
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=1e-2, weight_decay=0.1)
    assert trained(model, optimizer, WeightMonitor(), steps=30) == []
    assert caplog.records == []


@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_a_bias_that_a_norm_takes_out_again_is_no_trouble(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 1))
    monitor = WeightMonitor()
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=1e-2, weight_decay=1e-2)
    assert trained(model, optimizer, monitor, 8) == []
    (taken_out,) = [stats for stats in monitor.gradients if stats.tensor == "0.bias"]
    assert 0 < taken_out.l2_unclipped < 1e-6  # type: ignore[operator]


def test_the_ratio_is_that_of_the_one_step_just_taken() -> None:
    model = small_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor = WeightMonitor()
    trained(model, optimizer, monitor, steps=5)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trained(model, optimizer, monitor, steps=1)
    for stats in monitor.updates:
        after = dict(model.named_parameters())[stats.tensor].detach()
        whole = float((after - before[stats.tensor]).norm() / before[stats.tensor].norm())
        assert stats.ratio == pytest.approx(whole, rel=1e-5)


def test_the_sampled_ratio_is_close_to_the_whole_ones() -> None:
    random = np.random.default_rng(0)
    weights = torch.from_numpy(random.standard_normal((3_000, 3_334)).astype(np.float32))
    update = torch.from_numpy((1e-3 * random.standard_normal(weights.shape)).astype(np.float32))
    sample = Sample(1024)
    before = sample.read([("w", weights)])["w"]
    after = sample.read([("w", weights + update)])["w"]
    assert update_ratio(before, after) == pytest.approx(float(update.norm() / weights.norm()), rel=0.1)


def test_a_learning_rate_of_zero_is_named() -> None:
    model = small_model()
    groups = [{"params": model[0].parameters(), "lr": 0.0}, {"params": model[2].parameters()}]
    found = trained(model, torch.optim.SGD(groups, lr=0.1), WeightMonitor(warn=False), steps=3)
    assert {finding.tensor for finding in found} == {"0.weight", "0.bias"}
    assert str(found[0]) == "0.weight: frozen (0) at step 2, its learning rate is 0"
    assert not trained(model, torch.optim.SGD(groups, lr=0.1), WeightMonitor(warn=False), steps=2)


def test_what_is_not_to_be_trained_is_named_and_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    model = small_model()
    model[0].requires_grad_(False)
    found = trained(model, torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5), WeightMonitor(), steps=5)
    assert by_tensor(found) == {"0.weight": {Kind.NOT_TRAINED}, "0.bias": {Kind.NOT_TRAINED}}
    assert caplog.records == []


def test_a_detached_block_has_no_gradient_and_freezes() -> None:
    model = small_model()
    found = trained(
        model, torch.optim.SGD(model.parameters(), lr=0.1), WeightMonitor(warn=False),
        forward=lambda model, x: model[2](model[1](model[0](x)).detach()),
    )  # fmt: skip
    assert by_tensor(found) == {name: {Kind.NO_GRADIENT, Kind.FROZEN} for name in ("0.weight", "0.bias")}
    assert "no gradient reaches it" in str(found[-1])


def test_what_the_optimizer_lacks_is_named() -> None:
    model = small_model()
    found = trained(model, torch.optim.SGD(model[2].parameters(), lr=0.1), WeightMonitor(warn=False))
    assert {finding.why for finding in found if finding.kind is Kind.FROZEN} == {"the optimizer does not have it"}


def test_an_update_that_rounds_away_is_named() -> None:
    model = small_model().bfloat16()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 1.0)
    found = trained(model, torch.optim.SGD(model.parameters(), lr=1e-7), WeightMonitor(warn=False))
    assert {finding.why for finding in found if finding.kind is Kind.FROZEN} == {"its update rounds away in bfloat16"}
    assert {finding.tensor for finding in found} == {"0.weight", "0.bias", "2.weight", "2.bias"}


@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_movement_by_weight_decay_alone_is_told_apart(name: str) -> None:
    model = small_model()
    model.register_parameter("unused", nn.Parameter(torch.randn(50)))
    model.unused.grad = torch.zeros(50)
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.01, weight_decay=0.1)
    found = trained(
        model, optimizer, WeightMonitor(warn=False),
        forward=lambda model, x: model[2](model[1](model[0](x))) + 0 * model.unused.sum(),
    )  # fmt: skip
    assert by_tensor(found) == {"unused": {Kind.ZERO_GRADIENT, Kind.DECAY_ALONE}}


@pytest.mark.parametrize(("scale", "kind"), [(1e6, Kind.EXPLODING), (1e-10, Kind.VANISHING)])
def test_gradients_of_the_wrong_size_are_named(scale: float, kind: Kind) -> None:
    model = small_model()
    found = trained(model, torch.optim.SGD(model.parameters(), lr=1e-12), WeightMonitor(warn=False), 1, scale=scale)
    assert set(by_tensor(found)) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert {finding.kind for finding in found} == {kind}


def test_weights_that_are_not_finite_are_named_and_cost_no_other() -> None:
    model = small_model()
    monitor = WeightMonitor(warn=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with torch.no_grad():
        model[2].bias.fill_(math.nan)
    found = trained(model, optimizer, monitor, steps=1)
    assert Kind.NONFINITE_WEIGHT in by_tensor(found)["2.bias"]
    assert len(monitor.updates) == 4


def test_the_warning_names_the_worst_five_once(caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Sequential(*[nn.Linear(8, 8) for _ in range(4)], nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with caplog.at_level(logging.WARNING, "strobe.monitor"):
        trained(model, optimizer, WeightMonitor(), steps=6)
    (record,) = caplog.records
    assert record.getMessage().count("its learning rate is 0") == 5
    assert record.getMessage().endswith("; and 5 more")


def test_counting_goes_on_after_a_restart() -> None:
    model = small_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    first = WeightMonitor(warn=False)
    assert trained(model, optimizer, first, steps=2) == []
    second = WeightMonitor(warn=False)
    second.load_state_dict(first.state_dict())
    assert {finding.kind for finding in trained(model, optimizer, second, steps=1)} == {Kind.FROZEN}


def test_largest_gradients_and_smallest_updates() -> None:
    model = small_model()
    monitor = WeightMonitor()
    trained(model, torch.optim.SGD(model.parameters(), lr=0.1), monitor, steps=1)
    gradients, updates = monitor.top_k_largest_gradients(2), monitor.top_k_smallest_updates(2)
    assert gradients == sorted(((s.tensor, s.l2) for s in monitor.gradients), key=lambda pair: -(pair[1] or 0))[:2]
    assert updates == sorted(((s.tensor, s.ratio) for s in monitor.updates), key=lambda pair: pair[1])[:2]


@pytest.mark.parametrize("tensors", [1, 1_000])
def test_the_number_of_series_does_not_grow_with_the_model(tensors: int) -> None:
    parameters = [(f"w{i}", nn.Parameter(torch.randn(3))) for i in range(tensors)]
    for _, parameter in parameters:
        parameter.grad = torch.randn(3)
    monitor = WeightMonitor()
    optimizer = torch.optim.SGD([parameter for _, parameter in parameters], lr=0.1)
    monitor.check_gradients(parameters, optimizer)
    optimizer.step()
    monitor.check_updates(parameters, optimizer)
    series = {**monitor.aggregate_gradient_stats(), **monitor.aggregate_update_stats()}
    assert len(series) == 21
    assert series["tensors"] == tensors


def test_what_it_holds_is_below_12_kib_a_tensor() -> None:
    parameters = [(f"w{i}", torch.randn(200, 200)) for i in range(20)]
    sample = Sample(1024)
    values = sample.read(parameters)
    held = sum(places.nbytes for places in sample._places.values()) + sum(v.nbytes for v in values.values())
    assert held / 20 <= 12 * 1024


def test_p95_of_20_is_the_19th() -> None:
    assert percentile([float(i) for i in range(20, 0, -1)], 0.95) == 19
    assert math.isnan(percentile([], 0.95))


def test_the_sample_is_the_same_in_every_process() -> None:
    places = sample_places("h.0.w", 100_000, 1024)
    assert (places[:4].tolist(), places[-1], places.sum()) == ([210, 265, 296, 320], 99_894, 51_825_145)
    assert len(np.unique(places)) == 1024
    assert (sample_places("h.1.w", 100_000, 1024) != places).any()


@pytest.mark.parametrize(("data", "value"), [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)])
def test_fnv1a_has_its_published_values(data: bytes, value: int) -> None:
    assert fnv1a32(data) == value


def test_a_transposed_tensor_is_sampled_in_its_own_order() -> None:
    matrix = torch.arange(12.0).reshape(3, 4).T
    assert Sample(100).read([("w", matrix)])["w"].tolist() == matrix.flatten().tolist()


def test_wrapped_models_keep_their_names() -> None:
    wrapped = nn.ModuleDict({"module": nn.Module()})
    wrapped["module"].add_module("_orig_mod", small_model())
    monitor = WeightMonitor()
    monitor.check_gradients(wrapped)
    assert [stats.tensor for stats in monitor.gradients] == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_a_part_of_the_model_that_is_called_module_keeps_its_name() -> None:
    model = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False), "b": nn.Module()})
    model["b"].add_module("module", nn.Linear(2, 2, bias=False))
    monitor = WeightMonitor()
    monitor.check_gradients(model)
    assert [stats.tensor for stats in monitor.gradients] == ["a.weight", "b.module.weight"]
