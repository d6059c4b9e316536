"""Whether the C++ trainer computes what PyTorch computes, from the same weights and batches.

PyTorch in float64 is the truth, and PyTorch in float32 the yardstick: each loss, gradient and parameter of the C++
trainer may be as far from the truth as a few times PyTorch's own float32, or a few float32 epsilons of the tensor's
largest value. Needs numpy and torch; the snapshot reader needs numpy alone.
"""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from etl.run.file_names import list_files
from etl.run.snapshot import Snapshot, fnv1a64
from strobe.analysis.tasks import modular_addition
from strobe.record import Recorder
from strobe.record.adapters.gpt2 import model_entry
from strobe.train.config import Training
from strobe.train.loop import make_optimizer
from strobe.train.model import GPT
from strobe.train.model_config import ModelConfig

EPSILON = float(np.finfo(np.float32).eps)
YARDSTICKS, EPSILONS = 8.0, 64.0

Batches = Callable[[int], tuple[np.ndarray, np.ndarray]]
"""The micro-batch number n: tokens (B, T) and targets (B, T), -1 where not counted."""


@dataclass
class Case:
    """One architecture and one stream of batches; `flags` are the C++ trainer's beside the common ones."""

    name: str
    config: ModelConfig
    training: Training
    flags: list[str]
    batches: Batches
    micro_batches: int = 1


class Moment(NamedTuple):
    """One step: the loss, and parameters and gradients by name, as float64."""

    loss: float
    tensors: dict[str, np.ndarray]


@dataclass
class Verdict:
    """`rows`: the worst element of each tensor as (tensor, step, error, allowed); `failures`: those beyond that."""

    rows: list[tuple[str, int, float, float]] = field(default_factory=list)

    @property
    def failures(self) -> list[tuple[str, int, float, float]]:
        return [row for row in self.rows if not row[2] <= row[3]]


def write_shard(path: Path, tokens: np.ndarray) -> None:
    """A token shard of llm.c: 256 int32 (magic 20240520, version 1, count), then uint16 tokens."""
    header = np.zeros(256, np.int32)
    header[:3] = 20240520, 1, len(tokens)
    path.write_bytes(header.tobytes() + tokens.astype(np.uint16).tobytes())


def write_llmc_checkpoint(path: Path, model: GPT, padded_vocab: int) -> None:
    """A checkpoint of llm.c, version 3: 256 int32, then 16 float32 tensors, wte with its padding rows."""
    c = model.config
    header = np.zeros(256, np.int32)
    header[:8] = 20240326, 3, c.block_size, c.vocab_size, c.n_layer, c.n_head, c.n_embd, padded_vocab
    parts = [header.tobytes()]
    for name in c.shapes():
        values = model.get_parameter(name).detach().numpy()
        if name == "wte":
            values = np.concatenate([values, np.zeros((padded_vocab - c.vocab_size, c.n_embd), np.float32)])
        parts.append(values.tobytes())
    path.write_bytes(b"".join(parts))


def write_start(folder: Path, model: GPT) -> Path:
    """The model's parameters as step 0 of a run; returns the snapshot's path."""
    given = [(name, "params", dims, model.get_parameter(name)) for name, (dims, _) in model.config.shapes().items()]
    with Recorder(folder, given, model=model_entry(model), scalars=()) as recorder:
        recorder.snapshot(0)
    return list_files(folder)[0][2]


def sums(modulus: int, fraction: float, seed: int, batch_size: int) -> Batches:
    """Minibatches of modular addition, as docs/tasks.md gives them."""
    task = modular_addition(modulus, fraction, seed)

    def batch(n: int) -> tuple[np.ndarray, np.ndarray]:
        rows = task.batch(seed, n, batch_size)
        targets = np.full((batch_size, 3), -1)
        targets[:, -1] = task.labels[rows]
        return task.inputs[rows], targets

    return batch


def windows(tokens: np.ndarray, B: int, T: int) -> Batches:
    """Consecutive pieces of one shard, round again after the last whole one."""
    size = B * T
    count = (len(tokens) - 1) // size

    def batch(n: int) -> tuple[np.ndarray, np.ndarray]:
        first = n % count * size
        piece = tokens[first : first + size + 1].astype(np.int64)
        return piece[:-1].reshape(B, T), piece[1:].reshape(B, T)

    return batch


def reference(case: Case, dtype: torch.dtype, device: str = "cpu") -> Iterator[Moment]:
    """PyTorch's moments of steps 0 .. training.steps."""
    torch.backends.cuda.matmul.allow_tf32 = False
    model = GPT(case.config, case.training.model_seed).to(device, dtype)
    optimizer = make_optimizer(model, case.training)
    for step in range(case.training.steps + 1):
        optimizer.zero_grad(set_to_none=False)
        loss = 0.0
        for n in range(case.micro_batches):
            tokens, targets = (
                torch.from_numpy(np.asarray(part)).long().to(device)
                for part in case.batches(step * case.micro_batches + n)
            )
            value = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten(), ignore_index=-1)
            (value / case.micro_batches).backward()
            loss += float(value.detach()) / case.micro_batches
        _clip(model, case.training.grad_clip)
        yield Moment(loss, _tensors(model))
        warm = min(1.0, (step + 1) / case.training.warmup) if case.training.warmup else 1.0
        for group in optimizer.param_groups:
            group["lr"] = case.training.learning_rate * warm
        optimizer.step()


def _clip(model: GPT, limit: float | None) -> None:
    if limit is not None:
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients))
        if norm > limit:
            torch._foreach_mul_(gradients, limit / norm)


def _tensors(model: GPT) -> dict[str, np.ndarray]:
    found = {}
    for name, parameter in model.named_parameters():
        found[f"params/{name}"] = parameter.detach().cpu().double().numpy().copy()
        assert parameter.grad is not None
        found[f"grads/{name}"] = parameter.grad.cpu().double().numpy().copy()
    return found


def train(program: Path, case: Case, start: Path, run: Path, *, more: list[str] | None = None) -> None:
    """Run the C++ trainer with a snapshot of every step. Raises RuntimeError with what it said."""
    t = case.training
    flags = ["--init-from", start, "-d", run, "-f", 1, "--when-full", "wait", "-n", t.steps, "-l", t.learning_rate]
    flags += ["--beta1", t.beta1, "--beta2", t.beta2, "--weight-decay", t.weight_decay, "--warmup", t.warmup]
    flags += ["--grad-clip", t.grad_clip or 0, "-v", t.eval_every]
    command = [str(part) for part in [program, *case.flags, *flags, *(more or [])]]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{program.name} ended with {done.returncode}: {done.stderr.strip()}")


def recorded(run: Path) -> Iterator[Moment]:
    """The moments that a run recorded, from its snapshots alone."""
    data = (run / "manifest.json").read_bytes()
    manifest = json.loads(data)
    for _, _, path in list_files(run):
        snapshot = Snapshot(path, manifest, fnv1a64(data))
        wanted = [name for name in snapshot.names if name.startswith(("params/", "grads/"))]
        yield Moment(
            float(snapshot["scalars/train_loss"][0]), {name: snapshot[name].astype(np.float64) for name in wanted}
        )


def judge(run: Path, case: Case, device: str = "cpu") -> Verdict:
    """Compare a recorded run with PyTorch, step by step and tensor by tensor."""
    worst: dict[str, tuple[str, int, float, float]] = {}
    steps = 0
    moments = zip(
        recorded(run), reference(case, torch.float64, device), reference(case, torch.float32, device), strict=True
    )
    for step, (ours, truth, single) in enumerate(moments):
        steps += 1
        for name, error, allowed in _errors(ours, truth, single):
            row = (name, step, error, allowed)
            if name not in worst or _excess(row) > _excess(worst[name]):
                worst[name] = row
    if steps != case.training.steps + 1:
        raise RuntimeError(f"{run.name}: has {steps} snapshots, not {case.training.steps + 1}")
    return Verdict(list(worst.values()))


def _excess(row: tuple[str, int, float, float]) -> float:
    return row[2] / row[3] if row[3] else math.inf if row[2] else 0.0


def _errors(ours: Moment, truth: Moment, single: Moment) -> Iterator[tuple[str, float, float]]:
    allowed = max(YARDSTICKS * abs(single.loss - truth.loss), EPSILONS * EPSILON * abs(truth.loss))
    yield "train_loss", abs(ours.loss - truth.loss), allowed
    for name, true in truth.tensors.items():
        scale = float(np.abs(true).max())
        yardstick = float(np.abs(single.tensors[name] - true).max())
        error = float(np.abs(ours.tensors[name] - true).max())
        yield name, error, max(YARDSTICKS * yardstick, EPSILONS * EPSILON * scale)


def perturbed(start: Path, name: str = "params/attprojw", factor: float = 1.01) -> None:
    """The seeded fault: one weight of a start changed by a hundredth. The comparison must notice."""
    manifest = json.loads((start.parent / "manifest.json").read_bytes())
    offset = next(t["offset"] for t in manifest["snapshot"]["tensors"] if t["name"] == name)
    data = bytearray(start.read_bytes())
    (value,) = struct.unpack_from("<f", data, offset)
    struct.pack_into("<f", data, offset, value * factor)
    sign(data)
    start.write_bytes(data)


def sign(snapshot: bytearray) -> None:
    """Make both checksums of a snapshot's bytes right again."""
    struct.pack_into("<I", snapshot, 24, zlib.crc32(snapshot[64:]))
    struct.pack_into("<I", snapshot, 60, zlib.crc32(snapshot[:60]))


def small_cases(folder: Path, steps: int = 20) -> list[Case]:
    """Both architectures, with every option that changes the mathematics in one of them."""
    tokens = np.random.default_rng(7).integers(0, 61, 3000)
    write_shard(folder / "shard.bin", tokens)
    one = ModelConfig(
        n_layer=1, n_head=4, n_embd=32, mlp_width=64, block_size=3, vocab_size=12, activation="relu",
        layernorm="none", bias=False, tied_embeddings=False, init_std=0.14, init_residual=False,
    )  # fmt: skip
    two = ModelConfig(n_layer=2, n_head=2, n_embd=24, mlp_width=96, block_size=16, vocab_size=61, init_std=0.05)
    banded = ModelConfig(
        n_layer=3, n_head=3, n_embd=24, mlp_width=40, block_size=20, vocab_size=61, activation="gelu",
        init_std=0.08, fc1_band=9, fc2_band=11,
    )  # fmt: skip
    shard = ["-i", str(folder / "shard.bin")]
    return [
        Case(
            "sums", one, Training(steps=steps, batch_size=32, warmup=0, data_seed=5),
            ["--task", "modadd", "--modulus", "11", "--data-seed", "5", "-b", "32"], sums(11, 0.3, 5, 32),
        ),
        Case(
            "tokens", two, Training(steps=steps, weight_decay=0.1, beta2=0.95, warmup=4, grad_clip=0.5),
            [*shard, "-b", "4", "-t", "16"], windows(tokens, 4, 16),
        ),
        Case(
            "banded, two micro-batches", banded, Training(steps=steps, weight_decay=0.1, beta2=0.99, warmup=0),
            [*shard, "-b", "2", "-t", "12", "--tokens-per-step", "48"], windows(tokens, 2, 12), 2,
        ),
    ]  # fmt: skip
