"""strobe.watch: what a snapshot holds, and that a training is the same with it and without."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import strobe
from etl.run.folder import Run
from strobe.record import RecorderError
from strobe.record.monitor import WeightMonitor
from strobe.record.watching.sources import SECTIONS
from tests.support.effort import UNLESS_IN_CI
from tests.support.watched import faults, recorded, spec, steps, trained


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))


def batch(step: int, rows: int = 6) -> Tensor:
    return torch.randn(rows, 4, generator=torch.Generator().manual_seed(step))


def loss_of(model: nn.Module) -> Any:
    return lambda step: model(batch(step)).square().mean()


def sgd(model: nn.Module, **options: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1, **options)


def test_a_snapshot_holds_the_parameters_before_the_update_and_the_gradients_that_made_it(tmp_path: Path) -> None:
    model = small()
    optimizer = sgd(model)
    with strobe.watch(model, optimizer, tmp_path / "two", every=1):
        trained(model, optimizer, loss_of(model), 3)
    assert steps(tmp_path / "two") == [0, 1, 2, 3]
    for step in range(3):
        before, gradient, after = (
            recorded(tmp_path / "two", at, name)
            for at, name in ((step, "params/0.weight"), (step, "grads/0.weight"), (step + 1, "params/0.weight"))
        )
        np.testing.assert_allclose(after, before - 0.1 * gradient, atol=1e-7)
    assert spec(tmp_path / "two", 0, "params/0.weight")["taken"] == "before_update"
    assert faults(tmp_path / "two") == []


def test_the_last_snapshot_has_the_final_parameters_and_says_why_it_has_no_gradients(tmp_path: Path) -> None:
    model = small()
    optimizer = sgd(model)
    with strobe.watch(model, optimizer, tmp_path / "run", every=2):
        trained(model, optimizer, loss_of(model), 3)
    assert steps(tmp_path / "run") == [0, 2, 3]
    assert np.array_equal(recorded(tmp_path / "run", 3, "params/2.bias"), model[2].bias.detach().numpy())
    assert spec(tmp_path / "run", 3, "grads/2.bias")["missing"] == "no backward pass came after the last update"


def test_gradients_are_those_that_were_accumulated_and_clipped(tmp_path: Path) -> None:
    model = nn.Linear(4, 1)
    optimizer, halves = sgd(model), batch(0, 8).split(4)
    with strobe.watch(model, optimizer, tmp_path / "run", every=1):
        for half in halves:
            (model(half).square().mean() / 2).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        due = model.weight.grad.clone()
        optimizer.step()
    assert np.array_equal(recorded(tmp_path / "run", 0, "grads/weight"), due.numpy())
    assert due.norm() < 0.0101


@pytest.mark.parametrize("fused", [False, True])
def test_gradients_are_unscaled_also_where_a_fused_optimizer_does_it(tmp_path: Path, fused: bool) -> None:
    model = nn.Linear(4, 1)
    optimizer = torch.optim.Adam(model.parameters(), fused=fused)
    model(batch(0)).square().mean().backward()
    due = model.weight.grad.clone()
    model.zero_grad()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with strobe.watch(model, optimizer, tmp_path / "run", every=1, scaler=scaler) as run:
        scaler.scale(model(batch(0)).square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        scaler.scale(model(batch(1)).square().mean() * math.inf).backward()
        scaler.step(optimizer)
        assert run.updates == 1, "an overflow makes no update"
    np.testing.assert_allclose(recorded(tmp_path / "run", 0, "grads/weight"), due.numpy(), rtol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2e-2), (torch.float32, 1e-5)])
def test_mixed_precision_and_accumulation_give_the_gradient_of_a_full_batch(
    tmp_path: Path, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 1))
    whole, optimizer = batch(0, 16), sgd(model)
    model(whole).square().mean().backward()
    due = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    scaler = torch.amp.GradScaler("cpu", init_scale=4096.0)
    with strobe.watch(
        model, optimizer, tmp_path / "run", every=1, scaler=scaler, monitor=(monitor := WeightMonitor())
    ):
        for part in whole.split(4):
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                loss = model(part).float().square().mean() / 4
            scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    names = [name for name, _ in model.named_parameters()]
    found = [torch.tensor(recorded(tmp_path / "run", 0, f"grads/{name}")) for name in names]
    norm = torch.stack([gradient.norm() for gradient in due]).norm()
    assert torch.stack([g.norm() for g in found]).norm() == pytest.approx(float(norm), rel=tolerance)
    assert monitor.aggregate_gradient_stats()["gradient_norm"] == pytest.approx(float(norm), rel=tolerance)
    for mine, theirs in zip(found, due, strict=True):
        assert float((mine - theirs).norm() / theirs.norm()) < 2 * tolerance


def test_a_snapshot_by_hand_unscales_what_the_scaler_has_not_yet(tmp_path: Path) -> None:
    model = nn.Linear(4, 1)
    optimizer, scaler = sgd(model), torch.amp.GradScaler("cpu", init_scale=1024.0)
    model(batch(0)).square().mean().backward()
    due = model.weight.grad.clone()
    model.zero_grad()
    with strobe.watch(model, optimizer, tmp_path / "run", every="7", scaler=scaler) as run:
        scaler.scale(model(batch(0)).square().mean()).backward()
        assert run.snapshot()
    np.testing.assert_allclose(recorded(tmp_path / "run", 0, "grads/weight"), due.numpy(), rtol=1e-6)


def test_gradients_that_a_closure_computes_are_those_of_its_first_evaluation(tmp_path: Path) -> None:
    model = nn.Linear(4, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)
    seen: list[Tensor] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = model(batch(0)).square().mean()
        loss.backward()
        seen.append(model.weight.grad.clone())
        return loss

    weight = model.weight.detach().clone()
    with strobe.watch(model, optimizer, tmp_path / "run", every=1) as run:
        optimizer.step(closure)
        assert run.updates == 1
    assert np.array_equal(recorded(tmp_path / "run", 0, "grads/weight"), seen[0].numpy())
    assert np.array_equal(recorded(tmp_path / "run", 0, "params/weight"), weight.numpy())


def test_without_an_optimizer_step_says_when_and_snapshots_are_after_the_update(tmp_path: Path) -> None:
    model = small()
    optimizer = sgd(model)
    with strobe.watch(model, folder=tmp_path / "run", every=2) as run:
        for _ in range(4):
            run.log({"loss": trained(model, optimizer, loss_of(model), 1)[0]})
            run.step()
        assert run.updates == 4
    assert steps(tmp_path / "run") == [0, 2, 4]
    assert spec(tmp_path / "run", 4, "params/0.weight")["taken"] == "after_update"
    assert np.array_equal(recorded(tmp_path / "run", 4, "grads/0.bias"), model[0].bias.grad.numpy())
    assert spec(tmp_path / "run", 0, "grads/0.bias")["missing"] == "no backward pass came before it"
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1, 2, 3]


INDUCTOR = pytest.param("inductor", marks=[pytest.mark.slow, pytest.mark.filterwarnings("default")])
"""It compiles with g++, for a minute, and warns of its own parts."""


@pytest.mark.parametrize("backend", [None, pytest.param("aot_eager", marks=UNLESS_IN_CI), INDUCTOR])
@pytest.mark.parametrize("keep", ["full", "stats"])
def test_a_training_is_the_same_bit_for_bit_with_and_without(tmp_path: Path, keep: str, backend: str | None) -> None:
    def run(folder: Path | None) -> list[float]:
        model: Any = torch.compile(small(), backend=backend) if backend is not None else small()
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        if folder is None:
            return trained(model, optimizer, loss_of(model), 20)
        with strobe.watch(model, optimizer, folder, every=2, log=SECTIONS, keep=keep, monitor=True, probe=batch(99)):
            return trained(model, optimizer, loss_of(model), 20)

    assert run(tmp_path / "run") == run(None)


def test_metrics_belong_to_the_last_backward_pass(tmp_path: Path) -> None:
    model = small()
    optimizer = sgd(model)
    with strobe.watch(model, optimizer, tmp_path / "run") as run:
        for step in range(3):
            optimizer.zero_grad()
            loss = model(batch(step)).sum()
            loss.backward()
            run.log({"before": loss})
            optimizer.step()
            run.log({"after": loss}, extra=step)
        run.log(7, own=1.0)
        run.log(own=2.0, step=8)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 0, 1, 1, 2, 2, 7, 8]
    assert lines[3]["extra"] == 1


def test_names_have_no_wrapper_and_tied_weights_are_recorded_once(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wte, self.head = nn.Embedding(5, 4), nn.Linear(4, 5, bias=False)
            self.head.weight = self.wte.weight

        def forward(self, tokens: Tensor) -> Tensor:
            return self.head(self.wte(tokens))

    model = torch.compile(Tied(), backend="eager")
    optimizer = sgd(model)
    with strobe.watch(model, optimizer, tmp_path / "run", every=1) as run:
        trained(model, optimizer, lambda _: model(torch.tensor([1, 2])).square().mean(), 1)
        tensors = [t for t in run.manifest["snapshot"]["tensors"] if t["section"] == "params"]
    assert [(t["name"], t["original"], t["role"], t["dims"]) for t in tensors] == [
        ("params/wte.weight", "_orig_mod.wte.weight", "token_embedding", ["token", "channel"])
    ]
    assert run.manifest["model"] == {"family": "Tied", "n_params": 20, "tied": {"head.weight": "wte.weight"}}


def test_what_freezes_is_replaced_or_joins_is_followed(tmp_path: Path) -> None:
    model = small()
    optimizer = sgd(model)
    with strobe.watch(model, optimizer, tmp_path / "run", every=1) as run:
        trained(model, optimizer, loss_of(model), 1)
        model[0].requires_grad_(False)
        model[2].weight = nn.Parameter(torch.full((2, 8), 0.5))
        trained(model, optimizer, loss_of(model), 1)
        model.extra = nn.Linear(2, 2)
        trained(model, optimizer, loss_of(model), 1)
        assert run.status.missed == 0
    folder = tmp_path / "run"
    assert spec(folder, 1, "grads/0.weight")["missing"] == "requires_grad is False, so it has no gradient"
    assert (recorded(folder, 1, "params/2.weight") == 0.5).all()
    assert recorded(folder, 2, "params/extra.weight").shape == (2, 2)
    assert spec(folder, 2, "params/extra.weight")["dims"] == ["out", "in"]
    assert faults(folder) == []


def test_one_odd_tensor_costs_no_other(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sparse, self.unused = nn.Embedding(9, 2, sparse=True), nn.Linear(2, 2)
            self.scale = nn.Parameter(torch.tensor(2.0))
            self.empty = nn.Parameter(torch.zeros(0, 3))
            self.wave = nn.Parameter(torch.ones(2, dtype=torch.complex64))
            self.lazy = nn.LazyLinear(3)

        def forward(self, tokens: Tensor) -> Tensor:
            return (self.sparse(tokens) * self.scale * self.wave.real).sum() + self.lazy(torch.ones(1, 2)).sum()

    model = Odd()
    optimizer = torch.optim.SGD([p for n, p in model.named_parameters() if "lazy" not in n], lr=0.1)
    folder = tmp_path / "run"
    with strobe.watch(model, optimizer, folder, every=1, log=("params", "grads")) as run:
        trained(model, optimizer, lambda _: model(torch.tensor([1, 3])), 1)
        assert run.status.recorded + run.status.missed <= 1
    assert recorded(folder, 0, "grads/sparse.weight").shape == (9, 2)
    assert recorded(folder, 0, "params/scale").tolist() == [2.0]
    assert recorded(folder, 0, "params/wave").shape == (2, 2)
    assert recorded(folder, 0, "params/lazy.weight").shape == (3, 2)
    assert spec(folder, 0, "grads/unused.weight")["missing"] == "had no gradient"
    assert "no elements" in spec(folder, 0, "params/empty")["missing"]
    assert faults(folder) == []


@pytest.mark.parametrize(
    ("include", "exclude", "names"),
    [
        ("0.*", None, ["0.weight", "0.bias"]),
        (None, ["*.bias", "2.*"], ["0.weight"]),
        (lambda name: "bias" in name, "0*", ["2.bias"]),
    ],
)
def test_tensors_are_chosen_by_name(tmp_path: Path, include: Any, exclude: Any, names: list[str]) -> None:
    model = small()
    with strobe.watch(
        model, sgd(model), tmp_path / "run", include=include, exclude=exclude, log="params"
    ) as run:  # fmt: skip
        tensors = [t["name"] for t in run.manifest["snapshot"]["tensors"] if t["section"] == "params"]
    assert tensors == [f"params/{name}" for name in names]


@pytest.mark.parametrize(
    ("every", "due"), [(3, [0, 3, 5]), ("0-2/2,4", [0, 2, 4, 5]), (lambda step: step == 1, [1, 5])]
)
def test_every_is_a_number_a_schedule_or_a_function(tmp_path: Path, every: Any, due: list[int]) -> None:
    model = small()
    optimizer = sgd(model)
    with strobe.watch(model, optimizer, tmp_path / "run", every=every):
        trained(model, optimizer, loss_of(model), 5)
    assert steps(tmp_path / "run") == due


@pytest.mark.parametrize(
    "options",
    [
        {"every": 0}, {"every": True}, {"every": "soon"}, {"log": ()}, {"log": ("weights",)}, {"include": 3},
        {"resume": "maybe"}, {"resume": "must"}, {"optimizer": 7}, {"include": lambda name: name.nothing},
        {"include": "nothing*"},
    ],
)  # fmt: skip
def test_a_refused_start_is_a_recorder_error_and_leaves_nothing_behind(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    model = small()
    optimizer = options.pop("optimizer", sgd(model))
    with pytest.raises(RecorderError):
        strobe.watch(model, optimizer, tmp_path / "run", **options)
    with strobe.watch(model, sgd(model), tmp_path / "run"):
        pass


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match=r"model is a list; give a torch\.nn\.Module"):
        strobe.watch([], None, tmp_path / "run")


def test_a_function_that_fails_in_the_training_costs_snapshots_alone(tmp_path: Path) -> None:
    model = small()
    optimizer = sgd(model)

    def every(step: int) -> bool:
        raise KeyError(step)

    with strobe.watch(model, optimizer, tmp_path / "run", every=every) as run:
        trained(model, optimizer, loss_of(model), 3)
        assert sum(run.status.why.values()) == 3


@pytest.mark.parametrize(
    "config",
    [{"path": Path("a"), "nan": math.nan, "n": np.int64(3)}, argparse.Namespace(n=3), "free words", [1, 2], None],
)
def test_config_is_written_down_whatever_it_is(tmp_path: Path, config: Any) -> None:
    model = small()
    with strobe.watch(model, sgd(model), tmp_path / "run", config=config) as run:
        assert run.manifest["training"]["optimizer"] == "SGD"
        assert run.manifest["training"]["learning_rate"] == 0.1
        assert ("n" in run.manifest["training"]) == (config is not None and not isinstance(config, str | list))


def test_a_run_is_continued_where_its_optimizer_is(tmp_path: Path) -> None:
    model, folder = small(), tmp_path / "run"
    optimizer = torch.optim.Adam(model.parameters())
    with strobe.watch(model, optimizer, folder, every=2, resume="allow"):
        trained(model, optimizer, loss_of(model), 4)
        state = optimizer.state_dict()
    with pytest.raises(RecorderError, match="holds a run already"):
        strobe.watch(model, optimizer, folder)
    again = torch.optim.Adam(model.parameters())
    again.load_state_dict(state)
    with strobe.watch(model, again, folder, every=2, resume="must") as run:
        assert run.updates == 4
        trained(model, again, loss_of(model), 3)
    assert steps(folder) == [0, 2, 4, 4, 6, 7]


def test_a_run_without_a_counting_optimizer_is_continued_where_it_ended(tmp_path: Path) -> None:
    model, folder = small(), tmp_path / "run"
    optimizer = sgd(model)
    with strobe.watch(model, optimizer, folder, every=2):
        trained(model, optimizer, loss_of(model), 5)
    with strobe.watch(model, sgd(model), folder, resume="allow") as run:
        assert run.updates == 5


@pytest.mark.parametrize("further", [0, 2])
def test_the_step_at_which_a_run_is_continued_is_recorded_again(tmp_path: Path, further: int) -> None:
    """The attempt before ends there, and with it the last snapshot that it took."""
    model, folder = small(), tmp_path / "run"
    first = sgd(model)
    with strobe.watch(model, first, folder, every=4):
        trained(model, first, loss_of(model), 5)
    assert steps(folder) == [0, 4, 5]
    optimizer = sgd(model)
    with strobe.watch(model, optimizer, folder, every=4, resume="must"):
        trained(model, optimizer, loss_of(model), further)
    assert Run(folder).steps() == [0, 4, 5, *([7] if further else [])]
    assert ("grads/0.weight" in Run(folder).at(5).names) == bool(further)


def test_a_folder_of_its_own_is_made_where_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROBE_RUNS", str(tmp_path))
    model = small()
    with strobe.watch(model, sgd(model)) as first, strobe.watch(model, sgd(model)) as second:
        assert first.folder.parent == second.folder.parent == tmp_path
        assert first.folder != second.folder
        assert first.folder.name.startswith("sequential-")
