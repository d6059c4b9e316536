"""Fourier structure against answers known in advance."""

import numpy as np
import pytest

from strobe.analysis import fourier, progress
from strobe.analysis.neurons import coarseness


def grids(p):
    a, b = np.divmod(np.arange(p * p), p)
    return a.reshape(p, p), b.reshape(p, p)


@pytest.mark.parametrize("p", range(5, 129))
def test_basis_is_orthonormal(p):
    matrix, frequency, kind = fourier.basis(p)
    assert np.abs(matrix @ matrix.T - np.eye(p)).max() < 1e-12
    assert matrix.shape == (p, p)
    assert sorted(set(frequency.tolist())) == list(range(p // 2 + 1))
    assert (kind == "sin").sum() == (p - 1) // 2


@pytest.mark.parametrize(("p", "kind", "wave"), [(97, "sin", np.sin), (97, "cos", np.cos), (96, "sin", np.sin)])
def test_a_pure_wave_is_one_component(p, kind, wave):
    W = np.zeros((p + 1, 3))
    W[:p, 1] = wave(2 * np.pi * 5 * np.arange(p) / p)
    W[p] = 100
    norms = fourier.component_norms(W, p)
    row = int(norms.argmax())
    assert (fourier.basis(p).frequency[row], fourier.basis(p).kind[row]) == (5, kind)
    assert norms[row] == pytest.approx(np.sqrt(p / 2), abs=1e-12)
    assert np.delete(norms, row).max() < 1e-12


@pytest.mark.parametrize("p", [2, 3, 5, 12, 97, 128])
@pytest.mark.parametrize(("dtype", "error"), [(np.float64, 1e-12), (np.float32, 1e-6)])
def test_component_norms_are_those_of_the_whole_product(p, dtype, error):
    W = np.random.default_rng(p).standard_normal((2, p + 2, 7)).astype(dtype)
    plain = np.linalg.norm(fourier.basis(p).matrix @ W[:, :p].astype(np.float64), axis=-1)
    assert np.abs(fourier.component_norms(W, p) - plain).max() <= error * plain.max()


@pytest.mark.parametrize("p", [13, 14])
def test_neuron_shares_follow_the_definition(p):
    """By the 3x3 blocks of F A F^T, as it is defined."""
    activations = np.random.default_rng(1).standard_normal((4, p, p)) + 3
    matrix, frequency, _ = fourier.basis(p)
    transformed = matrix @ (activations - activations.mean(axis=(1, 2), keepdims=True)) @ matrix.T
    expected = np.empty((p // 2, 4))
    for k in range(1, p // 2 + 1):
        rows = np.flatnonzero((frequency == 0) | (frequency == k))
        block = transformed[:, rows[:, None], rows]
        expected[k - 1] = (block**2).sum(axis=(1, 2)) / (transformed**2).sum(axis=(1, 2))
    assert np.abs(fourier.neuron_shares(activations, p) - expected).max() < 1e-12


@pytest.mark.parametrize("p", [97, 96])
def test_a_neuron_that_sees_one_frequency(p):
    a, b = grids(p)
    neurons = np.stack([
        np.cos(2 * np.pi * 7 * (a + b) / p),
        np.sin(2 * np.pi * 9 * a / p) * np.cos(2 * np.pi * 9 * b / p) + 5,
        np.cos(2 * np.pi * 3 * a / p) * np.cos(2 * np.pi * 4 * b / p),
        np.full((p, p), 0.7),
    ])  # fmt: skip
    for dtype in (np.float64, np.float32):
        shares = fourier.neuron_shares(neurons.astype(dtype), p)
        assert shares[6, 0] == pytest.approx(1, abs=1e-6)
        assert shares[8, 1] == pytest.approx(1, abs=1e-6)
        assert shares[:, 2].max() < 1e-6
        assert np.isnan(shares[:, 3]).all()
        best = fourier.best_frequency(shares)
        assert best.frequency[[0, 1, 3]].tolist() == [7, 9, 0]
        keys = fourier.key_frequencies(shares)
        assert keys.frequencies.tolist() == [7, 9]
        assert keys.neurons.tolist() == [1, 1]
    assert coarseness(shares)[0] < 1e-6


def test_shares_refuse_another_shape():
    with pytest.raises(ValueError, match=r"\(2, 5, 6\) are not \(neurons, 5, 5\)"):
        fourier.neuron_shares(np.zeros((2, 5, 6)), 5)


def test_frequencies_of_neurons_by_hand():
    shares = np.array([
        [0.86, 0.4, np.nan, 0.03, 0.85],
        [0.10, 0.4, np.nan, 0.03, 0.00],
        [0.01, 0.1, np.nan, 0.10, 0.00],
        [0.02, 0.0, np.nan, 0.84, 0.15],
    ])  # fmt: skip
    best = fourier.best_frequency(shares)
    assert best.frequency.tolist() == [1, 1, 0, 4, 1]
    assert best.share == pytest.approx([0.86, 0.4, np.nan, 0.84, 0.85], nan_ok=True)
    assert [found.tolist() for found in fourier.key_frequencies(shares)] == [[1], [2]]
    assert [found.tolist() for found in fourier.key_frequencies(shares, 0.4)] == [[1, 4], [3, 1]]


def test_a_basis_is_shared_and_so_read_only_and_needs_two_residues():
    assert not any(array.flags.writeable for array in fourier.basis(5))
    with pytest.raises(ValueError, match="modulus 1 is too small"):
        fourier.frequencies(1)
    with pytest.raises(ValueError, match="no 5 rows"):
        fourier.component_norms(np.zeros((4, 3)), 5)


def test_gini():
    assert fourier.gini(np.ones(10)) == 0
    assert fourier.gini(np.eye(10)[3]) == pytest.approx(0.9)
    assert fourier.gini(np.array([1.0, 3.0])) == pytest.approx(0.25)
    assert np.isnan(fourier.gini(np.zeros(4)))
    for unknown in (np.inf, np.nan):
        assert np.isnan(fourier.gini(np.array([1.0, unknown])))
    with pytest.raises(ValueError, match="at least one norm"):
        fourier.gini(np.array([]))
    with pytest.raises(ValueError, match="none below 0"):
        fourier.gini(np.array([1.0, -1.0]))


def test_qk_energy_finds_the_frequency_that_a_head_compares():
    p = 31
    angle = 2 * np.pi * 4 * np.arange(p) / p
    W_E = np.zeros((p + 1, 6))
    W_E[:p, 0], W_E[:p, 1] = np.cos(angle), np.sin(angle)
    energy = fourier.qk_energy(W_E, np.eye(6)[:2], np.eye(6)[:2], p)
    assert energy[3] == pytest.approx(1)
    assert energy.sum() == pytest.approx(1)


@pytest.mark.parametrize("p", [13, 14])
def test_qk_energy_follows_the_definition(p):
    """Frobenius norms of the {cos k, sin k}^2 blocks of B Q K^T B^T, with queries and keys of their own."""
    rng = np.random.default_rng(p)
    W_E, W_Q, W_K = rng.standard_normal((p + 1, 6)), rng.standard_normal((3, 6)), rng.standard_normal((3, 6))
    matrix, frequency, _ = fourier.basis(p)
    form = matrix @ (W_E[:p] @ W_Q.T) @ (W_E[:p] @ W_K.T).T @ matrix.T
    blocks = [form[np.ix_(frequency == k, frequency == k)] for k in range(1, p // 2 + 1)]
    norms = np.array([np.sqrt((block**2).sum()) for block in blocks])
    assert fourier.qk_energy(W_E, W_Q, W_K, p) == pytest.approx(norms / norms.sum(), rel=1e-9)


def planted_logits(p, amplitudes, seed=0, noise=0.0):
    """sum_k amplitude_k cos(2 pi k (a + b - c) / p) plus noise, with an "=" class last."""
    a, b = np.divmod(np.arange(p * p), p)
    shift = (a + b)[:, None] - np.arange(p)
    logits = sum(value * np.cos(2 * np.pi * k * shift / p) for k, value in amplitudes.items())
    logits = logits + noise * np.random.default_rng(seed).standard_normal((p * p, p))
    return np.concatenate([logits, np.full((p * p, 1), 50.0)], axis=1)


def projected(logits, p, keys):
    """P(L) by the definition: unit directions over the p * p inputs."""
    a, b = np.divmod(np.arange(p * p), p)
    total = np.zeros_like(logits)
    for k in keys:
        for wave in (np.cos, np.sin):
            u = wave(2 * np.pi * k * (a + b) / p)
            if np.linalg.norm(u) > 1e-6:
                u /= np.linalg.norm(u)
                total += np.outer(u, u @ logits)
    return total


@pytest.mark.parametrize("p", [11, 12])
def test_losses_follow_the_definition(p):
    keys = [2, p // 2]
    logits = planted_logits(p, {2: 3.0, p // 2: 2.0}, noise=1.0)
    a, b = np.divmod(np.arange(p * p), p)
    labels = (a + b) % p
    rows = np.arange(0, p * p, 3)
    L = logits[:, :p]
    P = projected(L, p, keys)

    def mean_loss(values):
        return np.mean(np.log(np.exp(values).sum(axis=1)) - values[np.arange(len(values)), labels])

    assert progress.full_loss(logits, p) == pytest.approx(mean_loss(L), rel=1e-12)
    assert progress.restricted_loss(logits, p, keys) == pytest.approx(mean_loss(P + L.mean(axis=0)), rel=1e-12)
    assert progress.excluded_loss(logits, p, keys).all_keys == pytest.approx(mean_loss(L - P), rel=1e-12)
    labels = labels[rows]
    train = progress.restricted_loss(logits, p, keys, rows)
    assert train == pytest.approx(mean_loss((P + L.mean(axis=0))[rows]), rel=1e-12)
    excluded = progress.excluded_loss(logits, p, keys, rows)
    assert excluded.all_keys == pytest.approx(mean_loss((L - P)[rows]), rel=1e-12)
    for key, value in zip(keys, excluded.each, strict=True):
        assert value == pytest.approx(mean_loss((L - projected(L, p, [key]))[rows]), rel=1e-12)


def test_a_model_made_of_its_keys():
    p = 29
    logits = planted_logits(p, {3: 20.0, 8: 20.0, 11: 20.0})
    full = progress.full_loss(logits, p)
    assert progress.restricted_loss(logits, p, [3, 8, 11]) == pytest.approx(full, rel=1e-9)
    assert progress.excluded_loss(logits, p, [3, 8, 11]).all_keys == pytest.approx(np.log(p), rel=1e-9)
    assert progress.restricted_loss(logits, p, [3]) > 10 * full
    coefficients = progress.cosine_coefficients(logits, p)
    expected = np.zeros(p // 2)
    expected[[2, 7, 10]] = 20 * np.sqrt(p**3 / 2)
    assert np.abs(coefficients - expected).max() < 1e-6


@pytest.mark.parametrize("p", [11, 12])
def test_cosine_coefficients_follow_the_definition(p):
    logits = planted_logits(p, {2: -3.0, p // 2: 2.0}, noise=1.0)
    a, b, c = np.unravel_index(np.arange(p**3), (p, p, p))
    found = progress.cosine_coefficients(logits, p)
    for k in range(1, p // 2 + 1):
        w = np.cos(2 * np.pi * k * (a + b - c) / p)
        assert found[k - 1] == pytest.approx(logits[:, :p].ravel() @ w / np.linalg.norm(w), rel=1e-9)
    assert found[1] < 0


def test_keys_come_in_any_order_and_count_once():
    p = 11
    logits = planted_logits(p, {2: 3.0, 4: 1.0}, noise=1.0)
    one, other = (progress.excluded_loss(logits, p, keys) for keys in ([2, 4], [4, 2, 4]))
    assert other.all_keys == pytest.approx(one.all_keys, rel=1e-12)
    assert other.each == pytest.approx(one.each[[1, 0, 1]], rel=1e-12)
    with pytest.raises(ValueError, match=r"\[0, 4\] are not all in 1\.\.5"):
        progress.restricted_loss(logits, p, [4, 0])


def test_no_keys_and_no_rows():
    p = 7
    logits = planted_logits(p, {2: 1.0}, noise=0.3)
    assert progress.excluded_loss(logits, p, []).all_keys == progress.full_loss(logits, p)
    assert np.isnan(progress.full_loss(logits, p, np.array([], int)))
    assert np.isnan(progress.restricted_loss(logits, p, [2], np.array([], int)))
    with pytest.raises(ValueError, match=r"not all in 1\.\.3"):
        progress.restricted_loss(logits, p, [4])


def test_losses_far_below_float32():
    logits = np.array([[100.0, 0.0], [0.0, 800.0]])
    assert progress.cross_entropy(logits, np.array([0, 0])) == pytest.approx(400)
    assert progress.cross_entropy(logits[:1], np.array([0])) == pytest.approx(np.exp(-100), rel=1e-12)
