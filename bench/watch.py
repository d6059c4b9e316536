"""What `strobe.watch` costs a training: see docs/benchmarks.md.

    python bench/watch.py [--steps 6] [--pairs 0] [--folder DIR]

In processor seconds of one thread: those of the optimizer's hooks and of the writer's thread, over those of the
training. What a snapshot costs and what any other step costs are measured apart, and put together for one snapshot in
100 steps. `--pairs` also takes wall time of so many pairs of trainings, with and without in turn.
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
    """A model, its loss, options of `watch`, how many steps go on one snapshot, and the bar."""

    name: str
    model: Callable[[], nn.Module]
    tokens: Tensor
    every: int
    options: dict[str, Any]
    bar: float


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


def paired(case: Case, root: Path, pairs: int, steps: int) -> str:
    """The extra wall time, with the upper end of its one-sided 95% interval."""
    ratios = []
    for pair in range(pairs):
        torch.manual_seed(0)
        model = case.model()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        taken = {}
        for with_it in (False, True) if pair % 2 else (True, False):
            run = (
                strobe.watch(model, optimizer, root / f"{pair}", every=case.every, **case.options)
                if with_it
                else None
            )
            began = time.perf_counter()
            for _ in range(steps):
                step_of(model, optimizer, case.tokens)
            taken[with_it] = time.perf_counter() - began
            if run is not None:
                run.finish()
        ratios.append(taken[True] / taken[False] - 1)
    upper = statistics.mean(ratios) + 1.73 * statistics.stdev(ratios) / math.sqrt(pairs)
    return f"wall {statistics.mean(ratios):+.2%}, at most {upper:+.2%} (95%, {pairs} pairs of {steps} steps)"


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
        Case("the embedded run's shape, every 100, monitor", small, sums, EVERY, {"monitor": True}, 0.01),
        Case("25 M parameters, every 100, monitor", large, text, EVERY, {"monitor": True}, 0.02),
        Case("25 M parameters, keep=stats at every step", large, text, 1, {"keep": "stats"}, 0.03),
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
                print("   ", paired(case, Path(root) / f"pairs{number}", given.pairs, 2 * case.every))


if __name__ == "__main__":
    main()
