"""What `strobe.watch` costs a training: see docs/benchmarks.md.

    python bench/watch.py [--steps 6] [--pairs 0] [--folder DIR]

In processor seconds of one thread: those of the optimizer's hooks and of the writer's thread, over those of the
training. What a snapshot costs and what any other step costs are measured apart, and put together for one snapshot in
100 steps. `--pairs` also takes the wall time of so many pairs of blocks of steps, with a snapshot and without in
turn: how much longer the block with one took, over the time of the steps that go on a snapshot. A block has more than
one step where the writer is at work during the next.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import strobe

EVERY = 100


class Case(NamedTuple):
    """A model, its tokens, how many steps go on one snapshot, options of `watch`, the bar, and how many steps a block
    of `--pairs` has."""

    name: str
    model: Callable[[], nn.Module]
    tokens: Tensor
    every: int
    options: dict[str, Any]
    bar: float
    block: int


class Decoder(nn.Module):
    """A causal transformer over tokens."""

    def __init__(self, vocabulary: int, width: int, layers: int, heads: int, length: int) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        return self.head(self.layers(x, mask=self.mask[: tokens.shape[1], : tokens.shape[1]], is_causal=True))


def step_of(model: nn.Module, optimizer: torch.optim.Optimizer, tokens: Tensor) -> None:
    optimizer.zero_grad()
    logits = model(tokens[:, :-1])
    F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
    optimizer.step()


def writer_s() -> float:
    """Processor seconds of the recorder's thread so far."""
    for thread in threading.enumerate():
        if thread.name == "strobe-recorder":
            fields = Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / 100
    return 0.0


class Hooks:
    """Counts the processor seconds of a Watcher's calls, those at snapshots and the others apart."""

    def __init__(self, run: Any) -> None:
        self.due: list[float] = []
        self.other: list[float] = []
        self._run, self._began, self._spent, self._due = run, 0.0, 0.0, False

    def before(self, *_: Any) -> None:
        self._began, self._due = time.thread_time(), self._run._is_due()

    def between(self, *_: Any) -> None:
        self._spent = time.thread_time() - self._began

    def after_begin(self, *_: Any) -> None:
        self._began = time.thread_time()

    def after(self, *_: Any) -> None:
        self._spent += time.thread_time() - self._began
        (self.due if self._due else self.other).append(self._spent)


def costs(case: Case, folder: Path, steps: int) -> tuple[float, float, float]:
    """Processor seconds of a snapshot, of another step's hooks, and of a step of the training itself."""
    torch.manual_seed(0)
    model = case.model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for _ in range(2):
        step_of(model, optimizer, case.tokens)
    plain = []
    for _ in range(steps):
        began = time.thread_time()
        step_of(model, optimizer, case.tokens)
        plain.append(time.thread_time() - began)
    hooks = Hooks(None)
    pre, post = (optimizer.register_step_pre_hook(hooks.before), optimizer.register_step_post_hook(hooks.after_begin))
    with strobe.watch(model, optimizer, folder, every=case.every if case.every == 1 else 2, **case.options) as run:
        hooks._run = run
        optimizer.register_step_pre_hook(hooks.between)
        optimizer.register_step_post_hook(hooks.after)
        written = writer_s()
        for _ in range(steps):
            step_of(model, optimizer, case.tokens)
        run._recorder.flush()
        written = (writer_s() - written) / max(1, len(hooks.due))
        pre.remove(), post.remove()
    warm = hooks.due[1:] or hooks.due
    return statistics.median(warm) + written, statistics.median(hooks.other or [0.0]), statistics.median(plain)


def blocks(case: Case, folder: Path, pairs: int) -> tuple[list[float], list[float]]:
    """Wall seconds of so many blocks of steps without a snapshot, and of those with one beside them."""
    torch.manual_seed(0)
    model, due = case.model(), [False]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    with strobe.watch(model, optimizer, folder, every=lambda _: due[0], **case.options) as run:

        def block(with_one: bool) -> float:
            began = time.perf_counter()
            for step in range(case.block):
                due[0] = with_one and (step == 0 or case.every == 1)
                step_of(model, optimizer, case.tokens)
            took = time.perf_counter() - began
            run._recorder.flush()
            return took

        block(False), block(True)
        taken: dict[bool, list[float]] = {False: [], True: []}
        for pair in range(pairs):
            for with_one in (False, True) if pair % 2 else (True, False):
                taken[with_one].append(block(with_one))
                for file in folder.glob("step_*.bin"):
                    file.unlink()
    return taken[False], taken[True]


def paired(case: Case, folder: Path, pairs: int, other: float) -> str:
    """The extra wall time, with the upper end of its one-sided 95% interval; `other` is what hooks cost the steps
    without a snapshot, in seconds each."""
    without, with_one = blocks(case, folder, pairs)
    step = statistics.median(without) / case.block
    snapshots = case.block if case.every == 1 else 1
    extra = [(b - a) / snapshots + (case.every - 1) * other for a, b in zip(without, with_one, strict=True)]
    shares = [each / (case.every * step) for each in extra]
    middle, error = statistics.mean(shares), statistics.stdev(shares) / math.sqrt(pairs)
    upper = middle + student(pairs - 1) * error
    met = "met" if upper <= case.bar else "missed"
    return (
        f"wall {middle:+.2%}, at most {upper:+.2%} (95%, {pairs} pairs of {case.block} steps of {step:.3f} s): "
        f"bar {case.bar:.0%}, {met}"
    )


def student(freedom: int) -> float:
    """The 95% point of Student's t, one-sided (Abramowitz and Stegun 26.7.5, to 0.001 from 5 degrees on)."""
    z = statistics.NormalDist().inv_cdf(0.95)
    terms = ((z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    sums = torch.randint(0, 98, (2822, 4), generator=generator)
    text = torch.randint(0, 8192, (8, 257), generator=generator)
    small, large = (lambda: Decoder(98, 128, 1, 4, 4)), (lambda: Decoder(8192, 384, 10, 6, 256))
    cases = [
        Case("the embedded run's shape, every 100, monitor", small, sums, EVERY, {"monitor": True}, 0.01, 4),
        Case("25 M parameters, every 100, monitor", large, text[:4], EVERY, {"monitor": True}, 0.02, 2),
        Case("25 M parameters, keep=stats at every step", large, text, 1, {"keep": "stats"}, 0.03, 1),
    ]
    with tempfile.TemporaryDirectory(dir=given.folder) as root:
        for number, case in enumerate(cases):
            count = sum(p.numel() for p in case.model().parameters())
            snapshot, other, plain = costs(case, Path(root) / f"run{number}", given.steps)
            share = (snapshot + (case.every - 1) * other) / (case.every * plain)
            met = "" if share <= case.bar else ", missed"
            print(
                f"{case.name} ({count:,}): snapshot {snapshot:.3f} s, other step {other * 1e6:.0f} us, "
                f"training step {plain:.3f} s: {share:.2%} (bar {case.bar:.0%}){met}"
            )
            if given.pairs:
                print("   ", paired(case, Path(root) / f"pairs{number}", given.pairs, other))


if __name__ == "__main__":
    main()
