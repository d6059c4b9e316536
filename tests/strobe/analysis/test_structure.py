"""Heads, bands, neurons and classes against small cases worked out by hand."""

import numpy as np
import pytest

from strobe.analysis import attention, banding, geometry, neurons, projection


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


def test_scores_follow_their_definitions():
    """By loops over probes and queries, where no two heads or probes are alike."""
    rng = np.random.default_rng(0)
    att = np.tril(rng.random((3, 2, 5, 5)))
    att /= att.sum(axis=-1, keepdims=True)
    tokens = np.array([[0, 1, 0, 1, 1], [2, 2, 2, 0, 2], [0, 1, 2, 3, 4]])
    scores = attention.head_scores(att, tokens)
    for head in range(2):
        rows = [(tokens[n], i, att[n, head, i]) for n in range(3) for i in range(1, 5)]
        induction = []
        for text, i, row in rows:
            after = [j + 1 for j in range(i - 1) if text[j] == text[i]]
            induction += [row[after].sum()] if after else []
        expected = (
            np.mean([-sum(w * np.log(w) for w in row if w > 0) for _, _, row in rows]),
            np.mean([row[i - 1] for _, i, row in rows]),
            np.mean([row[0] for _, _, row in rows]),
            np.mean([row[i] for _, i, row in rows]),
            np.mean(induction),
            np.mean([row.max() for _, _, row in rows]),
        )
        assert [score[head] for score in scores] == pytest.approx(expected)
    assert np.isnan(attention.head_scores(att, np.tile(np.arange(5), (3, 1))).induction).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_entropy_of_a_nearly_certain_row(dtype):
    for w in (1e-6, 1e-30):
        row = np.array([w, 1 - w, 0], dtype)
        expected = -sum(x * np.log(x) for x in row[:2].astype(np.float64))
        assert attention.entropy(row) == pytest.approx(expected, rel=1e-6)


def test_induction_counts_no_token_that_follows_itself_at_once():
    assert not attention.induction_mask(np.array([[3, 3]])).any()
    mask = attention.induction_mask(np.array([[3, 3, 3, 1]]))
    assert np.argwhere(mask[0]).tolist() == [[2, 1]]


def test_heads_without_queries_and_wrong_shapes():
    assert np.isnan(attention.head_scores(np.ones((2, 3, 1, 1))).entropy).tolist() == [True] * 3
    with pytest.raises(ValueError, match="tokens of shape"):
        attention.head_scores(np.ones((2, 3, 4, 4)), np.zeros((2, 5), int))
    with pytest.raises(ValueError, match="tokens of shape"):
        attention.head_scores(np.ones((2, 3, 4, 4)), np.zeros((1, 4), int))
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


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_band_profile_is_summed_in_float64(dtype):
    """Squares of these leave the range of their own dtype."""
    plain = banding.band_profile(np.eye(4) + 1)
    for scale in (1e-5, 1e4) if dtype == np.float16 else (1e-30, 1e30):
        found = banding.band_profile(((np.eye(4) + 1) * scale).astype(dtype))
        assert found.energy == pytest.approx(plain.energy, rel=0.05)


@pytest.mark.parametrize("value", [0.0, np.inf, np.nan])
def test_no_profile_of_a_zero_or_nonfinite_matrix(value):
    found = banding.band_profile(np.eye(3) * 0 + [[value, 0, 0]] * 3)
    assert np.isnan([found.energy, found.density]).all()
    assert found.entries.tolist() == [3, 4, 2]


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
    assert neurons.final_frequency(frequency, share).tolist() == [2, 5, 0, 0, 2]
    assert neurons.final_frequency(frequency, share, threshold=0.95).tolist() == [0] * 5
    assert neurons.switches(frequency, share, threshold=0.95).tolist() == [0] * 5
    with pytest.raises(ValueError, match="do not fit"):
        neurons.commitment_step(steps[:2], frequency, share)


def test_what_lies_between_specialised_snapshots_is_no_switch():
    frequency = np.array([[2, 2, 4, 1], [3, 3, 0, 1], [2, 3, 4, 2]])
    share = np.array([[0.9, 0.9, 0.9, 0.85], [0.1, 0.1, 0.9, 0.2], [0.9, 0.9, 0.9, 0.85]])
    assert neurons.switches(frequency, share).tolist() == [0, 1, 0, 1]
    committed = neurons.commitment_step([0, 5, 9], frequency[:, ::3], share[:, ::3])
    assert committed.tolist() == [9, 9]
    assert np.isnan(neurons.commitment_step([0], np.array([[0]]), np.array([[0.9]]))).all()


def test_coarseness():
    """By hand: a blob, one on either border, one in no low frequency, one that does not vary."""
    shares = np.array([
        [0.86, 0.4, 0.3, 0.03, np.nan],
        [0.10, 0.2, 0.1, 0.03, np.nan],
        [0.01, 0.1, 0.1, 0.10, np.nan],
        [0.02, 0.0, 0.4, 0.84, np.nan],
    ])  # fmt: skip
    assert neurons.coarseness(shares) == pytest.approx([0.97, 0.7, 0.5, 0.16, np.nan], nan_ok=True)
    exact = np.array([[0.75, 0.7, 0.5, 0.25, np.nan], *[[0.0] * 5] * 3])
    found = neurons.layer_coarseness(exact)
    assert found == (4, pytest.approx(0.55), 0.5, 0.25)
    nothing = neurons.layer_coarseness(np.full((4, 3), np.nan))
    assert nothing.neurons == 0
    assert np.isnan(nothing[1:]).all()


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
    assert found.variances == pytest.approx([1, np.nan, 1], nan_ok=True)
    J = geometry.fisher(found.centroids, found.variances)
    assert J[0, 2] == 50
    assert np.isnan(J[1]).all()
    with pytest.raises(ValueError, match=r"not all in 0\.\.1"):
        geometry.class_geometry(points, np.array([0, 0, 2, 2]), 2)


def test_classes_of_unequal_size():
    """Points count once each in the radius, classes once each in the spread."""
    found = geometry.class_geometry(np.array([[-1.0, 0], [0, 0], [1, 0], [4, 0]]), np.array([0, 0, 0, 1]), 2)
    assert found.variances == pytest.approx([2 / 3, 0])
    assert (found.radius, found.spread, found.snr) == pytest.approx((np.sqrt(1 / 2), 2, 8))
    assert geometry.fisher(found.centroids, found.variances) == pytest.approx(
        np.array([[0, 24], [24, np.nan]]), nan_ok=True
    )


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


@pytest.mark.parametrize("p", [7, 8])
def test_fourier_alignment_follows_the_definition(p):
    x = np.random.default_rng(p).standard_normal((p, 2))
    x[2] = np.nan
    r = np.delete(np.arange(p), 2)
    theta = np.arctan2(*(x[r] - x[r].mean(axis=0)).T[::-1])
    scores = [
        max(abs(np.mean(np.exp(1j * (sense * theta - 2 * np.pi * k * r / p)))) ** 2 for sense in (1, -1))
        for k in range(1, p // 2 + 1)
    ]
    assert geometry.fourier_alignment(x) == (pytest.approx(max(scores)), int(np.argmax(scores)) + 1)


def test_fourier_alignment_without_some_classes_and_at_the_nyquist_frequency():
    angle = 2 * np.pi * np.arange(12) / 12
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points[::4] = np.nan
    assert geometry.fourier_alignment(points) == (pytest.approx(1), 1)
    assert geometry.fourier_alignment(np.outer((-1.0) ** np.arange(8), [1, 0])) == (pytest.approx(1), 4)
    points[2:] = np.nan
    with pytest.raises(ValueError, match="at least three points"):
        geometry.fourier_alignment(points)
    with pytest.raises(ValueError, match="not 2 of"):
        geometry.fourier_alignment(np.array([[1.0, 0], [0, 1], [np.nan, 0]]))


def test_sum_classes_are_those_of_the_sums():
    p = 5
    points = np.random.default_rng(0).standard_normal((p * p, 3)) * [1, 2, 0.5]
    found = geometry.sum_classes(points, p)
    members = [points[[a * p + b for a in range(p) for b in range(p) if (a + b) % p == s]] for s in range(p)]
    mu = np.array([each.mean(axis=0) for each in members])
    var = [((each - m) ** 2).sum(axis=1).mean() for each, m in zip(members, mu, strict=True)]
    pairs = [((mu[r] - mu[s]) ** 2).sum() / (var[r] + var[s]) for r in range(p) for s in range(r)]
    assert found.radius == pytest.approx(np.sqrt(np.mean(var)))
    assert found.fisher == pytest.approx(np.median(pairs))
    assert found.circularity == pytest.approx(projection.circularity(mu))
    assert found.alignment == pytest.approx(geometry.fourier_alignment(projection.pca(mu).points)[0])


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
    same = geometry.sum_classes(np.zeros((25, 2)), 5)
    assert same.spread == 0
    assert np.isnan([same.alignment, same.circularity]).all()
    with pytest.raises(ValueError, match="are not"):
        geometry.sum_classes(points, 5)


def test_the_frequency_in_whose_order_residues_lie_round_a_plane():
    turn = 2 * np.pi * 5 * np.arange(97) / 97
    circle = np.stack([np.cos(turn), np.sin(turn), turn], axis=1)
    assert geometry.frequency_round(np.concatenate([circle, [[50, 0, 0]] * 4]), 97) == 5
    assert geometry.frequency_round(np.random.default_rng(0).normal(size=(98, 2)), 97) == 1
    assert geometry.frequency_round(circle[:90], 97) == 1
    assert geometry.frequency_round(np.full((97, 2), np.nan), 97) == 1
