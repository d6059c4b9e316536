"""Every derived row belongs to its own layer, head, neuron, split and frequency: a model where no two are alike."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from strobe.analysis import fourier, progress
from strobe.analysis.tasks import SPLIT
from strobe.derive.coarseness import rows as coarseness
from strobe.derive.fourier import rows as fourier_rows
from strobe.derive.heads import rows as heads
from strobe.derive.neurons import rows as neurons
from strobe.derive.progress import rows as progress_rows
from strobe.derive.recorded_run import RecordedRun
from strobe.derive.spectra import rows as spectra
from strobe.derive.subject import Subject

P, LAYERS, HEADS, WIDTH, NEURONS, PROBES, STEP = 7, 2, 2, 6, 5, 3, 40
SHAPES = {
    "wte": (P + 1, WIDTH), "wpe": (3, WIDTH), "unembed": (P + 1, WIDTH),
    "qkvw": (LAYERS, 3 * WIDTH, WIDTH), "attprojw": (LAYERS, WIDTH, WIDTH),
    "fcw": (LAYERS, NEURONS, WIDTH), "fcprojw": (LAYERS, WIDTH, NEURONS), "ln1w": (LAYERS, WIDTH),
}  # fmt: skip


class Made(RecordedRun):
    """One snapshot of random tensors in memory."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self.arrays = {f"params/{name}": random.standard_normal(shape) for name, shape in SHAPES.items()}
        att = np.tril(random.random((LAYERS, PROBES, HEADS, 3, 3)))
        self.arrays["attention/att"] = att / att.sum(axis=-1, keepdims=True)
        self.arrays["probe/tokens"] = np.array([[1, 1, 1], [3, 4, 3], [0, 1, 2]])
        model = {
            "family": "gpt2", "n_layer": LAYERS, "n_head": HEADS, "n_embd": WIDTH, "mlp_width": NEURONS,
            "activation": "gelu", "layernorm": "none", "layernorm_eps": 1e-5, "tied_embeddings": False,
        }  # fmt: skip
        tensors = [
            {"name": name, "section": name.partition("/")[0], "dims": self._dims(name), "shape": list(array.shape),
             "dtype": array.dtype.name}
            for name, array in self.arrays.items()
        ]  # fmt: skip
        task = {"kind": "modular_addition", "modulus": P, "train_fraction": 0.3, "data_seed": 5,
                "split": SPLIT}  # fmt: skip
        manifest = SimpleNamespace(raw={"model": model, "snapshot": {"tensors": tensors}}, task=task)
        self.run: Any = SimpleNamespace(manifest=manifest)
        self.paths = {STEP: None}  # type: ignore[dict-item]

    def at(self, step: int) -> Any:
        return self

    as_recorded = at

    def __contains__(self, name: object) -> bool:
        return name in self.arrays

    def values(self, name: str) -> np.ndarray:
        return self.arrays[name]

    __getitem__ = values

    def _dims(self, name: str) -> list[str]:
        if name == "attention/att":
            return ["layer", "probe", "head", "query", "key"]
        stacked = ["layer", "out", "in"] if self.arrays[name].ndim == 3 else ["layer", "channel"]
        return stacked if len(self.arrays[name]) == LAYERS else ["token", "channel"]


@pytest.fixture(scope="module")
def made() -> Subject:
    """The snapshot, with frequencies 1 and 3 as the keys."""
    subject = Subject(Made())
    subject.addition.keys = fourier.KeyFrequencies(np.array([1, 3]), np.array([4, 1]))
    return subject


def arrays(subject: Subject) -> dict[str, np.ndarray]:
    assert isinstance(subject.recorded, Made)
    return subject.recorded.arrays


def by(rows: list[dict], *names: str) -> dict[tuple, dict]:
    found = {tuple(row[name] for name in names): row for row in rows}
    assert len(found) == len(rows)
    assert {row["step"] for row in rows} == {STEP}
    return found


def test_losses_are_those_of_their_split_and_key(made: Subject) -> None:
    found = {key: row["value"] for key, row in by(progress_rows(made, STEP), "measure", "split", "frequency").items()}
    logits, split = made.addition.forward(STEP).logits, made.addition.split
    assert split.train is not None
    assert split.val is not None
    each = progress.losses(logits[:, :P], np.add.outer(np.arange(P), np.arange(P)).ravel() % P)
    splits = {"train": split.train, "val": split.val, "all": np.arange(P * P)}
    expected = {("full_loss", split, None): each[rows].mean() for split, rows in splits.items()}
    expected |= {
        ("restricted_loss", split, None): progress.restricted_loss(logits, P, [1, 3], rows)
        for split, rows in splits.items()
    }
    for key in (None, 1, 3):
        keys = [1, 3] if key is None else [key]
        loss = progress.excluded_loss(logits, P, keys, splits["train"]).all_keys
        expected["excluded_loss", "train", key] = loss
    cosines = progress.cosine_coefficients(logits, P)
    expected |= {("cosine_coefficient", None, k): cosines[k - 1] for k in (1, 2, 3)}
    for name, site in (("wte", "embedding"), ("unembed", "unembedding")):
        norms = np.linalg.norm(fourier.basis(P).matrix @ arrays(made)[f"params/{name}"][:P], axis=1)
        expected[f"gini_{site}", None, None] = fourier.gini(norms)
    classes = progress.losses(logits, np.add.outer(np.arange(P), np.arange(P)).ravel() % P)
    right = logits.argmax(axis=1) == np.add.outer(np.arange(P), np.arange(P)).ravel() % P
    expected |= {("model_loss", split, None): classes[rows].mean() for split, rows in splits.items()}
    expected |= {("accuracy", split, None): right[rows].mean() for split, rows in splits.items()}
    W_U, W_out = (arrays(made)[f"params/{name}"] for name in ("unembed", "fcprojw"))
    to_logits = fourier.basis(P).matrix @ np.concatenate([W_U[:P] @ W_out[0], W_U[:P] @ W_out[1]], axis=1)
    expected["gini_neuron_logit", None, None] = fourier.gini(np.linalg.norm(to_logits, axis=1))
    squares = [(arrays(made)[f"params/{name}"] ** 2).sum() for name in SHAPES]
    expected["sum_of_squared_weights", None, None] = sum(squares)
    assert found == pytest.approx(expected)
    # Accuracies are counts of few inputs, and may coincide.
    others = [value for key, value in found.items() if key[0] != "accuracy"]
    assert len(set(others)) == len(others)


def test_neurons_are_those_of_their_layer(made: Subject) -> None:
    found = by(neurons(made, STEP), "layer", "neuron")
    assert len(found) == LAYERS * NEURONS
    activation = made.addition.forward(STEP).activation
    for (layer, neuron), row in found.items():
        grid = np.array([[activation[layer, a * P + b, neuron] for b in range(P)] for a in range(P)])
        shares = fourier.neuron_shares(grid[None], P)[:, 0]
        assert (row["frequency"], row["share"]) == (shares.argmax() + 1, pytest.approx(shares.max(), abs=1e-5))


def test_coarseness_is_that_of_its_layer(made: Subject) -> None:
    """Of p = 7 every frequency is one of the lowest three: the mean is that of the whole share."""
    found = by(coarseness(made, STEP), "layer")
    assert len(found) == LAYERS
    for (layer,), row in found.items():
        each = made.addition.shares(STEP)[layer].sum(axis=0)
        assert row["neurons"] == NEURONS
        assert row["mean"] == pytest.approx(each.mean())
        assert (row["blob"], row["plaid"]) == ((each >= 0.7).mean(), (each < 0.5).mean())
    assert found[0,]["mean"] != found[1,]["mean"]


def test_components_and_query_key_energies_are_those_of_their_site(made: Subject) -> None:
    found = fourier_rows(made, STEP)
    basis = fourier.basis(P)
    sites = by([row for row in found if "head" not in row], "site", "frequency", "kind")
    for name, site in (("wte", "embedding"), ("unembed", "unembedding")):
        norms = np.linalg.norm(basis.matrix @ arrays(made)[f"params/{name}"][:P], axis=1)
        for frequency, kind, norm in zip(basis.frequency, basis.kind, norms, strict=True):
            assert sites[site, frequency, kind]["value"] == pytest.approx(norm)
    energies = by([row for row in found if "head" in row], "layer", "head", "frequency")
    assert len(energies) == LAYERS * HEADS * 3
    size, W_E = WIDTH // HEADS, arrays(made)["params/wte"]
    for (layer, head, frequency), row in energies.items():
        qkv = arrays(made)["params/qkvw"][layer]
        W_Q, W_K = (qkv[start + head * size :][:size] for start in (0, WIDTH))
        assert row["value"] == pytest.approx(fourier.qk_energy(W_E, W_Q, W_K, P)[frequency - 1])


def test_scores_are_those_of_their_head(made: Subject) -> None:
    found = by(heads(made, STEP), "layer", "head")
    assert len(found) == LAYERS * HEADS
    for (layer, head), row in found.items():
        att = arrays(made)["attention/att"][layer, :, head]
        assert row["first_token"] == pytest.approx(att[:, 1:, 0].mean())
        assert row["previous_token"] == pytest.approx((att[:, 1, 0] + att[:, 2, 1]).mean() / 2)
        assert row["diagonal"] == pytest.approx((att[:, 1, 1] + att[:, 2, 2]).mean() / 2)
        assert row["max_weight"] == pytest.approx(att[:, 1:].max(axis=-1).mean())
        # In the first two probes a token stands two places before the last query too.
        assert row["induction"] == pytest.approx((att[0, 2, 1] + att[1, 2, 1]) / 2)


def test_spectra_are_those_of_their_part(made: Subject) -> None:
    found = by(spectra(made, STEP), "tensor", "layer", "part", "head")
    size = WIDTH // HEADS
    expected = {}
    for name in SHAPES:
        array = arrays(made)[f"params/{name}"]
        if name in ("wte", "wpe", "unembed"):
            expected[name, None, "whole", None] = array
        elif name != "ln1w":
            expected |= {(name, layer, "whole", None): array[layer] for layer in range(LAYERS)}
    for layer, qkv in enumerate(arrays(made)["params/qkvw"]):
        for i, part in enumerate("qkv"):
            expected["qkvw", layer, part, None] = block = qkv[i * WIDTH : (i + 1) * WIDTH]
            expected |= {("qkvw", layer, part, h): block[h * size : (h + 1) * size] for h in range(HEADS)}
    assert set(found) == set(expected)
    for key, matrix in expected.items():
        s = np.linalg.svd(matrix, compute_uv=False)
        assert found[key]["singular_values"] == pytest.approx(s)
        assert found[key]["stable_rank"] == pytest.approx((s**2).sum() / s[0] ** 2)
        assert found[key]["participation_ratio"] == pytest.approx(s.sum() ** 2 / (s**2).sum())
        share = s / s.sum()
        assert found[key]["effective_rank"] == pytest.approx(np.exp(-(share * np.log(share)).sum()))
