"""Heads, bands, neurons and classes against small cases worked out by hand."""

import numpy as np
import pytest

from strobe.analysis import attention, banding, geometry, neurons


def uniform(T):
    return np.tri(T) / np.arange(1, T + 1)[:, None]


def previous(T):
    att = np.eye(T, k=-1)
    att[0, 0] = 1
    return att


def first(T):
    att = np.zeros((T, T))
    att[:, 0] = 1
    return att


def test_pure_heads():
    T = 6
    att = np.stack([uniform(T), previous(T), first(T), np.eye(T)])
    scores = attention.head_scores(np.stack([att, att]).astype(np.float32))
    at = np.arange(2, T + 1)
    assert scores.entropy == pytest.approx([np.log(at).mean(), 0, 0, 0], abs=1e-6)
    assert scores.previous_token == pytest.approx([(1 / at).mean(), 1, 1 / (T - 1), 0])
    assert scores.first_token == pytest.approx([(1 / at).mean(), 1 / (T - 1), 1, 0])
    assert scores.diagonal == pytest.approx([(1 / at).mean(), 0, 0, 1])
    assert scores.max_weight == pytest.approx([(1 / at).mean(), 1, 1, 1])
    assert np.isnan(scores.induction).all()


def test_induction():
    tokens = np.array([[5, 7, 9, 5, 7, 9], [1, 2, 3, 4, 5, 6]])
    ideal = np.zeros((6, 6))
    ideal[[3, 4, 5], [1, 2, 3]] = 1
    ideal[[0, 1, 2], 0] = 1
    att = np.stack([np.stack([ideal, uniform(6)]), np.stack([uniform(6), uniform(6)])])
    scores = attention.head_scores(att, tokens)
    assert scores.induction == pytest.approx([1, np.mean([1 / 4, 1 / 5, 1 / 6])])
    stacked = attention.head_scores(np.stack([att, att[:, ::-1]]), tokens)
    assert stacked.induction[1] == pytest.approx(scores.induction[::-1])
    assert stacked.entropy.shape == (2, 2)


def test_induction_counts_no_token_that_follows_itself_at_once():
    assert not attention.induction_mask(np.array([[3, 3]])).any()
    mask = attention.induction_mask(np.array([[3, 3, 3, 1]]))
    assert np.argwhere(mask[0]).tolist() == [[2, 1]]


def test_heads_without_queries_and_wrong_shapes():
    assert np.isnan(attention.head_scores(np.ones((2, 3, 1, 1))).entropy).tolist() == [True] * 3
    with pytest.raises(ValueError, match="tokens of shape"):
        attention.head_scores(np.ones((2, 3, 4, 4)), np.zeros((2, 5), int))
    with pytest.raises(ValueError, match="probe, head, query, key"):
        attention.head_scores(np.ones((3, 4, 4)))


@pytest.mark.parametrize("shape", [(5, 5), (4, 7), (7, 4), (1, 3), (3, 1)])
def test_band_profile_by_brute_force(shape):
    W = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    distance = np.abs(np.subtract.outer(np.arange(shape[0]), np.arange(shape[1])))
    profile = banding.band_profile(W)
    squares = np.square(W, dtype=np.float64)
    for d in range(max(shape)):
        at = squares[distance == d]
        assert profile.entries[d] == at.size
        assert profile.energy[d] == pytest.approx(at.sum() / squares.sum())
        assert profile.density[d] == pytest.approx(at.mean() / squares.mean())


def test_bandwidth():
    i, j = np.indices((40, 40))
    profile = banding.band_profile((np.abs(i - j) <= 3).astype(float))
    assert banding.bandwidth(profile, 1.0) == 3
    assert banding.bandwidth(banding.band_profile(np.eye(9))) == 0
    assert banding.bandwidth(banding.band_profile(np.zeros((3, 3)))) is None
    with pytest.raises(ValueError, match="share"):
        banding.bandwidth(profile, 0)


def test_switches_and_commitment():
    steps = [0, 10, 20, 30, 40]
    frequency = np.array([[1, 3, 3, 0, 2], [2, 3, 3, 0, 2], [2, 4, 3, 0, 2], [1, 5, 5, 0, 2], [2, 5, 5, 0, 2]])
    share = np.full((5, 5), 0.9)
    share[:2, 0] = 0.1
    share[2, 1] = 0.5
    share[4, 2] = 0.2
    share[:, 3] = np.nan
    assert neurons.switches(frequency, share).tolist() == [2, 1, 1, 0, 0]
    assert neurons.commitment_step(steps, frequency, share) == pytest.approx([40, 30, np.nan, np.nan, 0], nan_ok=True)
    assert neurons.switches(frequency, share, threshold=0.95).tolist() == [0] * 5
    with pytest.raises(ValueError, match="do not fit"):
        neurons.commitment_step(steps[:2], frequency, share)


def test_unit_states():
    states = neurons.unit_states(np.array([[0, 0.5, 1, 1], [0, 0, np.nan, 0.999]]))
    assert states.dead.tolist() == [1, 2]
    assert states.always_on.tolist() == [2, 0]
    assert states.unknown.tolist() == [0, 1]


def test_class_geometry():
    points = np.array([[1.0, 0], [-1, 0], [9, 0], [11, 0]])
    found = geometry.class_geometry(points, np.array([0, 0, 2, 2]), 3)
    assert found.counts.tolist() == [2, 0, 2]
    assert found.centroids[[0, 2]].tolist() == [[0, 0], [10, 0]]
    assert np.isnan(found.centroids[1]).all()
    assert (found.radius, found.spread, found.snr) == (1, 5, 25)
    J = geometry.fisher(found.centroids, found.variances)
    assert J[0, 2] == 50
    assert np.isnan(J[1]).all()
    with pytest.raises(ValueError, match=r"not all in 0\.\.1"):
        geometry.class_geometry(points, np.array([0, 0, 2, 2]), 2)


@pytest.mark.parametrize("sense", [1, -1])
def test_fourier_alignment(sense):
    p = 31
    angle = sense * 2 * np.pi * 6 * np.arange(p) / p + 0.4
    points = np.stack([np.cos(angle) + 3, np.sin(angle)], axis=1)
    score, k = geometry.fourier_alignment(points)
    assert (score, k) == (pytest.approx(1), 6)
    points[4] = np.nan
    assert geometry.fourier_alignment(points)[1] == 6
    assert geometry.fourier_alignment(np.random.default_rng(0).standard_normal((p, 2)))[0] < 0.5


def test_sum_classes_of_a_planted_circle():
    p, k, noise = 23, 4, 0.1
    a, b = np.divmod(np.arange(p * p), p)
    turn = 2 * np.pi * k * (a + b) / p
    points = np.zeros((p * p, 6))
    points[:, :2] = 3 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    points += np.random.default_rng(0).normal(size=points.shape) * noise
    found = geometry.sum_classes(points, p)
    assert found.spread == pytest.approx(3, rel=0.01)
    # Each class has p points about their own centroid in 6 dimensions.
    assert found.radius == pytest.approx(noise * np.sqrt(6 * (1 - 1 / p)), rel=0.05)
    assert found.snr == pytest.approx((found.spread / found.radius) ** 2)
    assert found.fisher == pytest.approx(found.snr, rel=0.2)
    assert found.alignment > 0.999
    assert found.circularity > 0.98


def test_sum_classes_of_one_point_a_class_have_no_ratio():
    points = np.repeat(np.arange(5.0), 2).reshape(5, 2)
    a, b = np.divmod(np.arange(25), 5)
    found = geometry.sum_classes(points[(a + b) % 5], 5)
    assert found.radius == 0
    assert np.isnan([found.snr, found.fisher]).all()
    with pytest.raises(ValueError, match="are not"):
        geometry.sum_classes(points, 5)


def test_the_frequency_in_whose_order_residues_lie_round_a_plane():
    turn = 2 * np.pi * 5 * np.arange(97) / 97
    circle = np.stack([np.cos(turn), np.sin(turn), turn], axis=1)
    assert geometry.frequency_round(np.concatenate([circle, [[0, 0, 0]]]), 97) == 5
    assert geometry.frequency_round(np.random.default_rng(0).normal(size=(98, 2)), 97) == 1
    assert geometry.frequency_round(circle[:90], 97) == 1
    assert geometry.frequency_round(np.full((97, 2), np.nan), 97) == 1
