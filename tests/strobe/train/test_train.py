"""The reference training: what a step means, bit-for-bit resumption, bands, presets, and what the command refuses."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from typer.testing import CliRunner

from etl.errors import StrobeError
from etl.run.folder import Run
from etl.run.schedule import ScheduleError, parse_schedule
from etl.run.verify import verify_run
from strobe.cli import app
from strobe.commands.train import recorder_of
from strobe.train.config import MODADD, TEXT, ConfigError, Training
from strobe.train.loop import Trainer
from strobe.train.model import GPT, Taps
from strobe.train.model_config import ModelConfig
from strobe.train.schedule import snapshot_steps
from strobe.train.tasks import ModularAdditionTask, TextTask
from tests.support import killed_training
from tests.support.effort import UNLESS_IN_CI

SMALL = {"n_layer": 1, "n_head": 2, "n_embd": 16, "mlp_width": 32, "init_std": 0.1}
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def trainer(folder: Path, *, steps: int = 30, model: dict[str, Any] | None = None, **numbers: Any) -> Trainer:
    options = {"batch_size": 16, "eval_every": 10, "snapshot_every": 10, "checkpoint_every": 7, **numbers}
    training = Training(steps=steps, **options)
    task = ModularAdditionTask(training, CPU, modulus=7, train_fraction=0.5)
    config = ModelConfig(**SMALL | (model or {}), block_size=3, vocab_size=task.vocab_size)
    return Trainer(folder, GPT(config, training.model_seed), task, training, CPU)


def train(folder: Path, *, resume: bool = False, stop_at: int | None = None, **numbers: Any) -> Trainer:
    made = trainer(folder, **numbers)
    if resume:
        made.resume()

    def report(step: int, _: dict[str, float]) -> None:
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    made.run(report, lambda: recorder_of(made, resume=resume))
    return made


def losses(folder: Path) -> dict[int, float]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return {row["step"]: row["train_loss"] for row in map(json.loads, lines)}


def test_a_run_is_complete_and_verifies(tmp_path: Path) -> None:
    train(tmp_path / "run")
    run = Run(tmp_path / "run")
    assert run.steps() == [0, 10, 20, 30]
    assert all(finding.status == "ok" for finding in verify_run(run.folder))
    assert sorted(losses(run.folder)) == list(range(31))
    assert run.attempts[0].end == "finished"
    sections = {tensor.section for tensor in run.manifest.snapshot.tensors}
    assert sections == {"params", "grads", "attention", "residual", "probe", "activations", "optimizer", "scalars"}


def test_parameters_gradients_and_loss_of_a_snapshot_belong_together(tmp_path: Path) -> None:
    """The recorded gradient is that of the recorded loss at the recorded parameters, on that step's minibatch."""
    made = train(tmp_path / "run")
    snapshot = Run(tmp_path / "run").at(20)
    model = GPT(made.model.config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(snapshot[f"params/{name}"].copy()))
    tokens, targets = made.task.batch(20)
    loss = F.cross_entropy(model(tokens, last_only=True), targets)
    loss.backward()
    assert float(loss.detach()) == snapshot["scalars/train_loss"][0] == losses(tmp_path / "run")[20]
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.grad.numpy(), snapshot[f"grads/{name}"], err_msg=name)
    np.testing.assert_allclose(snapshot["scalars/val_loss"][0], made.task.evaluate(model)["val_loss"], rtol=1e-12)


def test_recorded_attention_is_causal_and_sums_to_one(tmp_path: Path) -> None:
    train(tmp_path / "run", model={"n_layer": 2})
    attention = Run(tmp_path / "run").at(30)["attention/att"]
    assert attention.shape[0] == 2
    np.testing.assert_allclose(attention.sum(-1), 1, rtol=1e-5)
    assert np.all(attention[..., ~np.tri(3, dtype=bool)] == 0)


def test_adam_moments_hold_the_gradients_before(tmp_path: Path) -> None:
    train(tmp_path / "run", snapshot_every=1, steps=2)
    run = Run(tmp_path / "run")
    assert run.at(0)["optimizer/m_l2.wte"][0] == 0
    first = np.linalg.norm(run.at(0)["grads/wte"].astype(np.float64)) * 0.1
    assert run.at(1)["optimizer/m_l2.wte"][0] == pytest.approx(first, rel=1e-5)


def test_same_seeds_same_losses_other_seeds_others(tmp_path: Path) -> None:
    curves = [losses(train(tmp_path / name, **kw).folder) for name, kw in (("a", {}), ("b", {}))]
    assert curves[0] == curves[1]
    assert losses(train(tmp_path / "c", model_seed=1).folder) != curves[0]
    assert losses(train(tmp_path / "d", data_seed=1).folder) != curves[0]


@pytest.mark.parametrize("stop_at", [0, 5, 7, 13, 29])
def test_an_interrupted_run_resumes_to_the_same_curve(tmp_path: Path, stop_at: int) -> None:
    whole = train(tmp_path / "whole")
    train(tmp_path / "parts", stop_at=stop_at)
    assert Run(tmp_path / "parts").attempts[0].end == "interrupted"
    again = train(tmp_path / "parts", resume=True)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    for ours, theirs in zip(again.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert Run(tmp_path / "parts").steps() == [0, 10, 20, 30]


def test_a_killed_run_resumes_from_its_last_checkpoint(tmp_path: Path) -> None:
    """A checkpoint older than the last line: the steps in between are run again, as a second attempt."""
    train(tmp_path / "whole")
    train(tmp_path / "parts", steps=14)
    state = (tmp_path / "parts" / "resume" / "state.pt").read_bytes()
    train(tmp_path / "parts", resume=True, steps=24)
    (tmp_path / "parts" / "resume" / "state.pt").write_bytes(state)
    train(tmp_path / "parts", resume=True)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    run = Run(tmp_path / "parts")
    assert [attempt.step for attempt in run.attempts] == [0, 14, 14]
    assert run.current()[20].name == "step_000020.2.bin"


def test_a_run_that_goes_on_behind_its_end_keeps_what_it_recorded_there(tmp_path: Path) -> None:
    train(tmp_path / "run", steps=14)
    before = Run(tmp_path / "run").at(14)["params/wte"].copy()
    train(tmp_path / "run", resume=True, steps=24)
    run = Run(tmp_path / "run")
    assert run.steps() == [0, 10, 14, 20, 24]
    assert run.current()[14].name == "step_000014.1.bin"
    assert (run.at(14)["params/wte"] == before).all()
    assert run.at(14)["scalars/val_loss"][0] > 0


def test_resuming_what_is_done_or_not_there(tmp_path: Path) -> None:
    train(tmp_path / "run")
    with pytest.raises(ConfigError, match="is at step 30 already; give --steps above that"):
        train(tmp_path / "run", resume=True)
    (tmp_path / "run" / "resume" / "state.pt").write_bytes(b"not a state")
    with pytest.raises(ConfigError, match="is damaged"):
        train(tmp_path / "run", resume=True)
    with pytest.raises(ConfigError, match="to resume from"):
        trainer(tmp_path / "nowhere").resume()


def test_bands_stay_zero(tmp_path: Path) -> None:
    train(tmp_path / "run", model={"fc1_band": 2, "fc2_band": 3})
    snapshot = Run(tmp_path / "run").at(30)
    for name, band in (("fcw", 2), ("fcprojw", 3)):
        weight = snapshot[f"params/{name}"][0]
        distance = np.abs(np.subtract.outer(np.arange(weight.shape[0]), np.arange(weight.shape[1])))
        assert np.all(weight[distance > band] == 0)
        assert np.all(weight[distance <= band] != 0)


@pytest.mark.parametrize("layernorm", ["pre", "none"])
@pytest.mark.parametrize("taps", [False, True])
def test_the_last_position_alone_gives_the_same_logits(layernorm: str, taps: bool) -> None:
    config = ModelConfig(2, 2, 16, 32, 5, 9, "relu", layernorm, bias=layernorm == "pre", init_std=0.3)  # type: ignore[arg-type]
    model, tokens = GPT(config, 1), torch.arange(10).view(2, 5) % 9
    whole = model(tokens, taps=Taps() if taps else None)
    torch.testing.assert_close(model(tokens, last_only=True), whole[:, -1])


def test_against_torch_s_own_transformer() -> None:
    """The pre-LayerNorm GELU model is torch.nn.TransformerEncoderLayer with a causal mask."""
    config = ModelConfig(1, 2, 16, 64, 6, 11, "gelu", init_std=0.3)
    model = GPT(config, 0)
    layer = torch.nn.TransformerEncoderLayer(16, 2, 64, 0.0, F.gelu, batch_first=True, norm_first=True)
    own = {
        **{"self_attn.in_proj_weight": "qkvw", "self_attn.in_proj_bias": "qkvb"},
        **{"self_attn.out_proj.weight": "attprojw", "self_attn.out_proj.bias": "attprojb"},
        **{"linear1.weight": "fcw", "linear1.bias": "fcb", "linear2.weight": "fcprojw", "linear2.bias": "fcprojb"},
        **{"norm1.weight": "ln1w", "norm1.bias": "ln1b", "norm2.weight": "ln2w", "norm2.bias": "ln2b"},
    }
    layer.load_state_dict({theirs: model.get_parameter(ours)[0].detach() for theirs, ours in own.items()})
    tokens = torch.arange(12).view(2, 6) % 11
    x = model.wte[tokens] + model.wpe[:6]
    mask = torch.nn.Transformer.generate_square_subsequent_mask(6)
    out = F.layer_norm(layer(x, src_mask=mask), (16,), model.lnfw, model.lnfb)
    torch.testing.assert_close(model(tokens), out @ model.wte.T, rtol=1e-4, atol=1e-5)


def test_text_learns_and_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("the cat sat on the mat. " * 200)
    training = Training(steps=60, batch_size=8, eval_every=30, snapshot_every=30, learning_rate=3e-3, warmup=0)
    task = TextTask(training, CPU, path=path, block_size=16)
    model = GPT(ModelConfig(**SMALL, block_size=16, vocab_size=256), 0)
    made = Trainer(tmp_path / "run", model, task, training, CPU)
    made.run(lambda *_: None, lambda: recorder_of(made, resume=False))
    curve = losses(tmp_path / "run")
    assert curve[60] < curve[0] - 1
    assert Run(tmp_path / "run").at(60)["attention/att"].shape == (1, 4, 2, 16, 16)
    written = [np.asarray(Run(tmp_path / "run").at(step)["samples/tokens"]) for step in (0, 60)]
    assert written[0].shape == (4, 16)
    assert (written[0][:, :4] == written[1][:, :4]).all(), "the same beginnings"
    assert "".join(map(chr, written[1][0, :4])) in path.read_text()
    assert not (written[0] == written[1]).all()
    (tmp_path / "short").write_text("abcd")
    with pytest.raises(ConfigError, match="has 4 bytes"):
        TextTask(training, CPU, path=tmp_path / "short", block_size=16)


def test_presets_are_the_published_models() -> None:
    counts: dict[str, int] = {}
    for name, preset in MODADD.items():
        p = preset["task"]["modulus"]
        config = ModelConfig(**preset["model"], block_size=3, vocab_size=p + 1)
        Training(**preset["training"])
        counts[name] = GPT(config).count()
    assert counts == {"grok": 222_080, "small": 409_728, "nanda": 226_176}
    sizes = {name: GPT(ModelConfig(**preset["model"], vocab_size=256)).count() for name, preset in TEXT.items()}
    assert 7_000_000 < sizes["dev"] < 8_000_000


def test_schedules() -> None:
    assert parse_schedule("0-40/20, 30-60/10,7") == [0, 7, 20, 30, 40, 50, 60]
    assert snapshot_steps(50, every=None, schedule="0-100/20") == {0, 20, 40, 50}
    assert snapshot_steps(25, every=10, schedule=None) == {0, 10, 20, 25}
    for text in ("", "a", "5-1", "1-9/0", "1-2-3", "-5", "0-99999999999"):
        with pytest.raises(ScheduleError):
            parse_schedule(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "grokk"], "there are grok, small, nanda"),
        (["--heads", "3"], "width 128 is no multiple of 3 heads"),
        (["--batch-size", "some"], "neither a number nor full"),
        (["--train-fraction", "1.5"], "give a number between 0 and 1"),
        (["--lr", "nan"], "learning rate is nan"),
        (["--steps", "0"], "steps is 0"),
        (["--device", "tpu"], "try auto or cpu"),
        (["--max-disk", "lots"], "is no size"),
        (["--schedule", "1-2-3"], "is not STEP"),
        (["--resume"], "to resume from"),
        (["--width", "-4"], "give at least 1"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["train", "modadd", "--out", str(tmp_path / "run"), *arguments])
    assert result.exit_code != 0
    assert message in str(result.exception)
    assert not (tmp_path / "run").exists()


def run_command(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["train", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_command_trains_and_resumes(tmp_path: Path) -> None:
    """Each flag reaches its number; a resumed run keeps what it was started with."""
    out = str(tmp_path / "run")
    sizes = [
        "--width",
        "16",
        "--heads",
        "2",
        "--layers",
        "2",
        "--modulus",
        "13",
        "--fc1-band",
        "3",
        "--batch-size",
        "full",
    ]
    numbers = ["--steps", "8", "--lr", "0.01", "--weight-decay", "0.5", "--schedule", "0-8/4", "--data-seed", "3"]
    assert "finished at step 8" in run_command("modadd", *sizes, *numbers, "--out", out)
    assert "finished at step 12" in run_command("modadd", "--resume", "--steps", "12", "--out", out)
    run = Run(out)
    assert run.steps() == [0, 4, 8, 12]
    model, training = run.manifest.raw["model"], run.manifest.training
    assert (model["n_layer"], model["n_embd"], model["mlp_width"], model["fc1_band"]) == (2, 16, 64, 3)
    assert model["init_std"] == 0.8 / 16**0.5
    assert (training["learning_rate"], training["weight_decay"], training["data_seed"]) == (0.01, 0.5, 3)
    assert run.manifest.task["modulus"] == 13
    whole = str(tmp_path / "whole")
    run_command("modadd", *sizes, *numbers, "--steps", "12", "--out", whole)
    assert losses(Path(out)) == losses(Path(whole))


def test_a_text_is_resumed_with_itself_only(tmp_path: Path) -> None:
    first, second, out = tmp_path / "a.txt", tmp_path / "b.txt", str(tmp_path / "run")
    first.write_text("abcdefgh" * 300)
    second.write_text("hgfedcba" * 300)
    small = ["--width", "16", "--heads", "2", "--layers", "1", "--block-size", "8", "--batch-size", "2"]
    run_command("text", "--data", str(first), *small, "--steps", "2", "--out", out)
    with pytest.raises(StrobeError, match=r"is not the text that the run .* has learned from"):
        run_command("text", "--data", str(second), "--resume", "--steps", "4", "--out", out)
    assert "finished at step 4" in run_command("text", "--data", str(first), "--resume", "--steps", "4", "--out", out)


def _trainings() -> Any:
    """Forks of a process that has torch already: starting Python anew would take longer than the training."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["pytest", "strobe.train.loop", "strobe.train.tasks", "strobe.record.adapters.gpt2"]
    )
    return context


def _killed(folder: Path, context: Any, pause: float, until: Callable[[], bool] | None = None) -> None:
    """Kill a training at some moment after `until`: without it, after it has recorded another snapshot."""
    process = context.Process(target=killed_training.train, args=(str(folder),), daemon=True)
    before = len(list(folder.glob("step_*.bin")))
    until = until or (lambda: len(list(folder.glob("step_*.bin"))) > before)
    process.start()
    deadline = time.monotonic() + 60
    while not until() and time.monotonic() < deadline:
        time.sleep(0.0005)
    time.sleep(pause)
    assert process.is_alive(), "it was still training"
    process.kill()
    process.join()


@pytest.mark.parametrize(
    "runs",
    [pytest.param(1, marks=UNLESS_IN_CI), pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])],
)
def test_a_run_killed_as_it_begins_goes_on_or_is_started_over(tmp_path: Path, runs: int) -> None:
    """kill -9 between the manifest and the first snapshots: either the state is there to resume from, or nothing was
    recorded."""
    context, random = _trainings(), np.random.default_rng(0)
    for number in range(runs):
        folder = tmp_path / str(number)
        _killed(folder, context, float(random.uniform(0, 0.01)), (folder / "manifest.json").exists)
        _killed(folder, context, 0.0)
        assert [finding for finding in verify_run(folder) if finding.status == "bad"] == []
        assert min(Run(folder).steps()) == 0


@pytest.mark.parametrize("kills", [1, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_kills_at_random_moments_lose_nothing_that_was_written(tmp_path: Path, kills: int) -> None:
    """kill -9 while writing, again and again, each time resumed: every file under a final name verifies."""
    context, random, folder = _trainings(), np.random.default_rng(0), tmp_path / "run"
    seen: dict[str, bytes] = {}
    for kill in range(1, kills + 1):
        _killed(folder, context, float(random.uniform(0, 0.3)))
        assert [finding for finding in verify_run(folder) if finding.status == "bad"] == []
        for path in folder.glob("step_*.bin"):
            data = path.read_bytes()[:64]
            assert seen.setdefault(path.name, data) == data, "a committed snapshot never changes"
        assert {path.name for path in folder.glob("step_*.bin")} == set(seen), "nor does it vanish"
        curve = losses(folder)
        assert sorted(curve) == list(range(max(curve) + 1)), "no step is left out"
        assert len(Run(folder).attempts) == kill
