"""TransformerLens-shaped state dicts give the measures of the paper on grokking, as PyTorch gives them from the same
weights (Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability")."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.analysis.tasks import modular_addition
from strobe.derive.filling.deriver import Deriver
from tests.support.checkpoints import safetensors
from tests.support.effort import whole_in_ci
from tests.support.grokked import P, passed, state_dict, steps, thirty, write_folder

SPECIALISED = 0.85


def waves(k: int) -> list[torch.Tensor]:
    """cos and sin of 2 pi k x / p, unit norm."""
    x = torch.arange(P, dtype=torch.float64) * 2 * torch.pi * k / P
    return [wave / wave.norm() for wave in (x.cos(), x.sin())]


def key_frequencies(neurons: torch.Tensor) -> list[int]:
    """The frequencies of the neurons whose energy over (a, b), the mean removed, one frequency has to 0.85: in the
    products of 1, cos and sin of a with those of b."""
    grids = neurons.reshape(P, P, -1)
    grids = grids - grids.mean(dim=(0, 1))
    total = grids.square().sum(dim=(0, 1))
    one = torch.full((P,), P**-0.5, dtype=torch.float64)
    shares = []
    for k in range(1, P // 2 + 1):
        basis = torch.stack([one, *waves(k)])
        shares.append(torch.einsum("ia,jb,abn->ijn", basis, basis, grids).square().sum(dim=(0, 1)) / total)
    best, which = torch.stack(shares).max(dim=0)
    return sorted({int(k) + 1 for k in which[best >= SPECIALISED]})


def on_keys(logits: torch.Tensor, keys: Sequence[int]) -> torch.Tensor:
    """The logits' parts along cos and sin of 2 pi k (a + b) / p, as functions of (a, b)."""
    a, b = torch.arange(P).repeat_interleave(P), torch.arange(P).repeat(P)
    kept = torch.zeros_like(logits)
    for k in keys:
        for wave in waves(k):
            direction = wave[(a + b) % P]
            direction = direction / direction.norm()
            kept += direction[:, None] * (direction @ logits)
    return kept


def measures(step: int, keys: Sequence[int], train: torch.Tensor) -> dict[str, float]:
    logits = passed(state_dict(step))[1]
    a, b = torch.arange(P).repeat_interleave(P), torch.arange(P).repeat(P)
    labels, along = (a + b) % P, on_keys(logits, keys)
    loss = torch.nn.functional.cross_entropy
    return {
        "restricted_loss": float(loss(along + logits.mean(dim=0), labels)),
        "excluded_loss": float(loss((logits - along)[train], labels[train])),
    }


def check(tmp_path: Path, chosen: Sequence[int]) -> None:
    folder, store = write_folder(tmp_path / "grokked", chosen), tmp_path / "store"
    (report,) = ingest([folder], store)
    assert (report.snapshots, report.lost) == (len(chosen), [])
    done = Deriver(Store(store), Store(store).run("grokked")).fill(["progress"])
    assert not done.skipped
    train = torch.from_numpy(modular_addition(P, 0.3, 598).train_index)
    keys = key_frequencies(passed(state_dict(chosen[-1]))[0])
    rows = Store(store).sql(
        "SELECT step, measure, split, frequency, value FROM progress WHERE run = 'grokked'"
        " AND measure IN ('restricted_loss', 'excluded_loss') ORDER BY step"
    )
    found = {(r["step"], r["measure"], r["split"], r["frequency"]): r["value"] for r in rows.to_pylist()}
    assert sorted({key[3] for key in found} - {None}) == keys
    for step in chosen:
        for measure, value in measures(step, keys, train).items():
            split = {"restricted_loss": "all", "excluded_loss": "train"}[measure]
            assert found[step, measure, split, None] == pytest.approx(value, rel=1e-5, abs=1e-5), (step, measure)


@whole_in_ci
def test_the_last_checkpoints_give_the_papers_measures(tmp_path: Path) -> None:
    check(tmp_path, [steps()[0], steps()[-1]])


def test_heads_of_interleaved_queries_keys_and_values_are_told_apart(tmp_path: Path) -> None:
    """GPT-NeoX: rows of a head's q, k and v stand together."""
    heads, size, width = 2, 3, 6
    rows = np.random.default_rng(0).normal(size=(heads, 3, size, width)).astype(np.float32)
    name = "gpt_neox.layers.0.attention.query_key_value.weight"
    (tmp_path / "neox" / "step1").mkdir(parents=True)
    (tmp_path / "neox" / "step1" / "model.safetensors").write_bytes(safetensors({name: rows.reshape(-1, width)}))
    config = {"model_type": "gpt_neox", "num_attention_heads": heads, "hidden_size": width}
    (tmp_path / "neox" / "config.json").write_text(json.dumps(config))
    ingest([tmp_path / "neox"], tmp_path / "store")
    Deriver(Store(tmp_path / "store"), Store(tmp_path / "store").run("neox")).fill(["spectra"])
    sql = "SELECT tensor, layer, singular_values FROM spectra WHERE part = $1 AND head = $2 AND run = 'neox'"
    for number, part in enumerate("qkv"):
        for head in range(heads):
            (row,) = Store(tmp_path / "store").sql(sql, [part, head]).to_pylist()
            assert (row["tensor"], row["layer"]) == ("gpt_neox.layers.attention.query_key_value.weight", 0)
            due = np.linalg.svd(rows[head, number], compute_uv=False)
            np.testing.assert_allclose(row["singular_values"], due, rtol=1e-5)


@pytest.mark.slow
def test_every_checkpoint_gives_the_papers_measures(tmp_path: Path) -> None:
    assert len(thirty()) == 30
    check(tmp_path, thirty())
