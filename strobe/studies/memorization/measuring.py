"""What one epoch point measures: the continuations of all passages, and the states of every layer."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.nn import functional as F

from etl.replacing import replacing, write_all
from strobe.analysis.memorization.compression import passage_means, prefix_classes, token_scores
from strobe.analysis.memorization.reproduction import Reproduction, prompt_length, reproduction
from strobe.derive.study_files import FOLDER, SCHEMA, point_name
from strobe.studies.memorization.continuing import continued
from strobe.studies.memorization.passages import Passages
from strobe.studies.memorization.task import NO_TARGET, padded
from strobe.train.model import GPT

Array = np.ndarray[Any, Any]
Row = dict[str, Any]


def measure(model: GPT, passages: Passages, *, epoch: int, step: int, threshold: float, neighbours: int) -> list[Row]:
    """A row a passage, with the columns of `SCHEMA`."""
    device = next(model.parameters()).device
    given = [prompt_length(len(passage)) for passage in passages.tokens]
    made = continued(model, passages.tokens, given, device)
    targets = [list(passage[start:]) for passage, start in zip(passages.tokens, given, strict=True)]
    scores, perplexities = _inside(model, passages, neighbours, device)
    chances = _chances(made, targets, passages.trained)
    rows = []
    for number, (passage, start) in enumerate(zip(passages.tokens, given, strict=True)):
        found = reproduction(made[number], targets[number], threshold)
        rows.append({
            "epoch": epoch, "step": step, "passage": number,
            "split": "trained" if number < passages.trained else "novel", **_columns(found),
            "perplexity": perplexities[number], "chance": chances[number],
            "prompt": passages.text(passage[:start]), "target": passages.text(targets[number]),
            "continuation": passages.text(made[number]), **scores[number],
        })  # fmt: skip
    return rows


def write_point(folder: Path, epoch: int, rows: Sequence[Row]) -> None:
    """The rows as the file of this epoch, whole or not at all."""
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), SCHEMA), out, compression="zstd")
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    with replacing(folder / FOLDER / point_name(epoch)) as descriptor:
        write_all(descriptor, out.getbuffer())


def _columns(found: Reproduction) -> Row:
    names = ("accuracy", "exact_matches", "tokens", "edit_distance", "memorized")
    prefixes = {f"prefix_{size}": share for size, share in found.prefixes.items()}
    return {name: getattr(found, name) for name in names} | prefixes


def _chances(made: Sequence[list[int]], targets: Sequence[list[int]], trained: int) -> list[float | None]:
    """Of each continuation, its mean accuracy beside what the other passages of its group go on with, over the
    positions that both have; None where there is no other."""
    chances: list[float | None] = []
    for number, own in enumerate(made):
        group = range(trained) if number < trained else range(trained, len(made))
        others = [_agreement(own, targets[other]) for other in group if other != number]
        chances.append(float(np.mean(others)) if others else None)
    return chances


def _agreement(first: list[int], second: list[int]) -> float:
    common = min(len(first), len(second))
    return float(np.mean(np.array(first[:common]) == np.array(second[:common])))


@torch.no_grad()
def _inside(
    model: GPT, passages: Passages, neighbours: int, device: torch.device
) -> tuple[list[Row], list[float | None]]:
    """The compression of each passage and its tokens by layer, and the perplexity of each: the exponential of the
    mean cross-entropy of its tokens after the first."""
    layers: list[list[Array]] = [[] for _ in range(model.config.n_layer)]
    perplexities: list[float | None] = []
    for first in range(0, len(passages.tokens), 16):
        some = passages.tokens[first : first + 16]
        tokens, targets = padded(some, device)
        losses = F.cross_entropy(
            model(tokens).double().transpose(1, 2), targets, ignore_index=NO_TARGET, reduction="none"
        )
        perplexities += [_perplexity(row[: len(passage) - 1]) for row, passage in zip(losses, some, strict=True)]
        for kept, states in zip(layers, model.observe(tokens).residual, strict=True):
            kept += [row[: len(passage)].float().cpu().numpy() for row, passage in zip(states, some, strict=True)]
    return _compression(passages, layers, neighbours), perplexities


def _perplexity(losses: torch.Tensor) -> float | None:
    mean = float(losses.mean())
    return math.exp(mean) if mean < 700 else None


def _compression(passages: Passages, layers: list[list[Array]], neighbours: int) -> list[Row]:
    lengths = [len(passage) for passage in passages.tokens]
    try:
        scores = token_scores(map(np.concatenate, layers), prefix_classes(passages.tokens), neighbours)
    except ValueError:
        # A model that diverged, or too few tokens: the tables say that nothing was measured.
        nothing = [None] * (len(layers) - 1)
        return [{"compression": nothing, "token_compression": nothing} for _ in lengths]
    means = np.array([passage_means(layer, lengths) for layer in scores]).reshape(-1, len(lengths))
    apart = np.split(scores, np.cumsum(lengths)[:-1], axis=1)
    return [
        {"compression": means[:, number].tolist(), "token_compression": apart[number].astype(np.float32).tolist()}
        for number in range(len(lengths))
    ]
