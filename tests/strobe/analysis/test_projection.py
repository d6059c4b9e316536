"""Projections, alignment and circularity against figures whose shape is known."""

import sys
import types

import numpy as np
import pytest

from strobe.analysis import projection


def rotation(k, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((k, k)))[0]


def circle(n, k=1, d=2, seed=0):
    angle = 2 * np.pi * k * np.arange(n) / n
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) @ rotation(d, seed)[:2] + 3


@pytest.mark.parametrize("shape", [(60, 8), (8, 60)])
def test_pca_is_the_svd(shape):
    x = np.random.default_rng(0).standard_normal(shape) * np.linspace(3, 0.1, shape[1]) + 5
    found = projection.pca(x, 3)
    s = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    assert found.explained == pytest.approx(s[:3] ** 2 / (s**2).sum())
    assert np.abs(found.axes.T @ found.axes - np.eye(3)).max() < 1e-12
    assert np.linalg.norm(found.points, axis=0) == pytest.approx(s[:3])
    assert (found.axes.max(axis=0) >= -found.axes.min(axis=0)).all()
    assert projection.pca(x[::-1].astype(np.float32), 3).axes == pytest.approx(found.axes, abs=1e-3)


def test_pca_refuses():
    with pytest.raises(ValueError, match="3 axes need"):
        projection.pca(np.zeros((2, 5)), 3)
    with pytest.raises(ValueError, match="finite"):
        projection.pca(np.full((5, 5), np.nan))
    x = np.eye(5)
    x[3, 2] = np.inf
    with pytest.raises(ValueError, match="finite"):
        projection.pca(x)


def test_principal_axes_find_a_planted_plane():
    rng = np.random.default_rng(1)
    plane, _ = np.linalg.qr(rng.normal(size=(12, 2)))
    points = rng.normal(size=(40, 2)) * [5, 2] @ plane.T + 3
    axes = projection.principal_axes(points)
    assert np.allclose(axes @ (axes.T @ plane), plane)
    assert np.allclose(projection.project(points, axes).mean(axis=0), 0)


def test_axes_of_too_few_dimensions_are_refused():
    with pytest.raises(ValueError, match="2 axes need"):
        projection.principal_axes(np.ones((5, 1)))


def test_a_movie_stands_still_when_nothing_moves():
    x = np.random.default_rng(1).standard_normal((20, 6))
    for basis in ("joint", 0, -1):
        movie = projection.pca_movie(np.stack([x, x + 4, x * 2]), 2, basis)
        assert movie.frames[1] == pytest.approx(movie.frames[0])
        assert movie.frames[2] == pytest.approx(2 * movie.frames[0])
        assert movie.explained == pytest.approx(movie.explained[0])
        assert movie.frames[0] == pytest.approx(projection.pca(x).points)


def test_the_basis_of_a_movie_is_the_frame_that_was_chosen():
    rng = np.random.default_rng(3)
    frames = rng.standard_normal((3, 20, 4)) * np.array([[4, 3, 1, 1], [1, 5, 1, 6], [1, 2, 9, 7]])[:, None]
    frames += np.arange(3)[:, None, None] * 40
    centred = frames - frames.mean(axis=1, keepdims=True)
    joint = np.linalg.svd(centred.reshape(-1, 4), full_matrices=False).Vh[:2].T
    for basis in (0, 1, -1):
        movie = projection.pca_movie(frames, 2, basis)
        assert movie.frames == pytest.approx(centred @ projection.principal_axes(frames[basis]))
    movie = projection.pca_movie(frames)
    assert np.abs(movie.frames) == pytest.approx(np.abs(centred @ joint))
    assert movie.explained == pytest.approx(((centred @ joint) ** 2).sum(axis=(1, 2)) / (centred**2).sum(axis=(1, 2)))


def test_rotated_copies_align():
    x = np.random.default_rng(2).standard_normal((30, 3))
    for seed in range(6):
        assert np.abs(projection.procrustes(x @ rotation(3, seed) + seed, x) - x).max() < 1e-9
    mirrored = x * [1, 1, -1]
    assert np.abs(projection.procrustes(mirrored, x) - x).max() < 1e-9
    with pytest.raises(ValueError, match="alike"):
        projection.procrustes(x[:, :2], x)
    assert projection.procrustes(2 * x, x) == pytest.approx(2 * (x - x.mean(axis=0)) + x.mean(axis=0))


@pytest.mark.parametrize("d", [2, 7])
@pytest.mark.parametrize("k", [1, 5])
def test_circularity_of_a_circle(d, k):
    n = 97
    order = k * np.arange(n) % n
    assert projection.circularity(circle(n, k, d), order) == pytest.approx(1)
    assert projection.circularity(circle(n, k, d)) == pytest.approx(1)
    assert projection.circularity(circle(n, k, d), (k + 1) * np.arange(n) % n) < 1e-9


def test_circularity_in_an_order_follows_its_definition():
    """The variance that the fitted circle explains times (s_2 / s_1)^2, for an order that goes round unevenly."""
    rng = np.random.default_rng(5)
    order = rng.integers(0, 30, 40)
    phi = 2 * np.pi * order / 40
    waves = np.stack([np.cos(phi), np.sin(phi), np.ones(40)], axis=1)
    x = waves @ rng.standard_normal((3, 4)) + 0.3 * rng.standard_normal((40, 4))
    fit = np.linalg.pinv(waves) @ x
    explained = 1 - ((x - waves @ fit) ** 2).sum() / ((x - x.mean(axis=0)) ** 2).sum()
    s = np.linalg.svd(fit[:2], compute_uv=False)
    assert projection.circularity(x, order) == pytest.approx(explained * (s[1] / s[0]) ** 2)


def test_circularity_of_half_a_circle_at_two_heights():
    """All points are on the circle, so that what is left is the shares of the variance, known in closed form."""
    angle = np.pi * (np.arange(20) + 0.5) / 20
    arc = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.concatenate([np.column_stack([arc, np.full(20, height)]) for height in (-0.2, 0.2)])
    along, across = arc.var(axis=0)
    expected = (along + across) / (along + across + 0.2**2) * across / along
    assert projection.circularity(points + 7) == pytest.approx(expected)
    short = np.stack([np.cos(angle / 6), np.sin(angle / 6)], axis=1)
    s = np.linalg.svd(short - short.mean(axis=0), compute_uv=False)
    assert projection.circularity(short) == pytest.approx((s[1] / s[0]) ** 2)
    assert (s[1] / s[0]) ** 2 < 0.05


def test_circularity_at_its_limits():
    triangle = np.stack([np.cos(a := 2 * np.pi * np.arange(3) / 3), np.sin(a)], axis=1)
    assert projection.circularity(triangle) == pytest.approx(1)
    assert projection.circularity(triangle, np.arange(3)) == pytest.approx(1)
    cross = np.concatenate([np.zeros((96, 2)), [[1, 0], [-1, 0], [0, 1], [0, -1]]])
    assert projection.circularity(cross) == 0
    cross[3, 1] = np.nan
    assert np.isnan(projection.circularity(cross))


def test_circularity_of_what_is_no_circle():
    n = 97
    line = np.outer(np.arange(n), [1.0, 2, 3])
    wave = np.outer(np.cos(2 * np.pi * np.arange(n) / n), [1.0, 2])
    blob = np.random.default_rng(0).standard_normal((n, 5))
    for points in (line, wave):
        assert projection.circularity(points, np.arange(n)) < 1e-12
        assert projection.circularity(points) < 1e-12
    assert projection.circularity(blob, np.arange(n)) < 0.1
    ellipse = np.stack([np.cos(a := 2 * np.pi * np.arange(n) / n), 0.5 * np.sin(a)], axis=1)
    assert projection.circularity(ellipse, np.arange(n)) == pytest.approx(0.25)
    assert 0.2 < projection.circularity(ellipse) < 0.25
    assert np.isnan(projection.circularity(np.full((n, 2), 0.1)))


def test_a_round_cloud_without_an_order_is_not_told_from_a_circle_by_circularity_alone():
    cloud = np.random.default_rng(0).standard_normal((20_000, 2))
    assert projection.circularity(cloud) == pytest.approx(np.pi / 4, abs=0.03)
    assert projection.circularity(cloud, np.arange(20_000)) < 0.01
    assert np.isnan(projection.circularity(np.eye(2)))


def test_tsne_keeps_clusters_apart_and_repeats():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((20, 10)), rng.standard_normal((20, 10)) + 20])
    shown = projection.tsne(x, 2, perplexity=10)
    assert np.array_equal(shown, projection.tsne(x, 2, perplexity=10))
    centres = shown[:20].mean(axis=0), shown[20:].mean(axis=0)
    inside = max(
        np.linalg.norm(shown[:20] - centres[0], axis=1).max(), np.linalg.norm(shown[20:] - centres[1], axis=1).max()
    )
    assert np.linalg.norm(centres[0] - centres[1]) > inside
    with pytest.raises(ValueError, match="too few"):
        projection.tsne(x[:3])


def test_how_tsne_starts(monkeypatch):
    """From the PCA, or from where it is told, both made small."""
    given = []

    class Recorded:
        def __init__(self, **options):
            given.append(options)

        def fit_transform(self, rows):
            return rows[:, 1::-1] * 7 + 3

    monkeypatch.setattr("sklearn.manifold.TSNE", Recorded)
    frames = np.random.default_rng(6).standard_normal((2, 13, 4)) * [1, 2, 5, 3]
    shown = projection.tsne(frames[0], seed=9)
    projection.tsne(frames[1], seed=9, start=shown)
    starts = (projection.pca(frames[0]).points, shown - shown.mean(axis=0))
    for options, start in zip(given, starts, strict=True):
        assert options["init"] == pytest.approx(1e-4 * start / start[:, 0].std(), rel=1e-3, abs=1e-9)
        assert (options["perplexity"], options["random_state"], options["n_components"]) == (4, 9, 2)
    projection.tsne(np.random.default_rng(7).standard_normal((200, 4)), perplexity=20)
    assert given[-1]["perplexity"] == 20


def test_what_umap_is_given(monkeypatch):
    """At most all other points as neighbours, and every point tied to itself from frame to frame."""
    given = []

    class Recorded:
        def __init__(self, **options):
            given.append(options)

        def fit_transform(self, rows):
            return rows[:, :2]

        def fit(self, frames, relations):
            given.append(relations)
            self.embeddings_ = [rows[:, :2] for rows in frames]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Recorded, AlignedUMAP=Recorded))
    frames = np.random.default_rng(6).standard_normal((3, 9, 4))
    assert projection.umap(frames[0], seed=4) == pytest.approx(frames[0][:, :2], abs=1e-6)
    assert (given[0]["n_neighbors"], given[0]["random_state"], given[0]["min_dist"]) == (8, 4, 0.1)
    projection.umap(np.zeros((40, 3)))
    assert given[1]["n_neighbors"] == 15
    assert projection.aligned_umap(frames, neighbours=3) == pytest.approx(frames[:, :, :2], abs=1e-6)
    assert given[2]["n_neighbors"] == 3
    assert given[3] == [{i: i for i in range(9)}] * 2
    with pytest.raises(ValueError, match="4 points are too few for UMAP"):
        projection.umap(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="at least two frames"):
        projection.aligned_umap(frames[:1])


@pytest.mark.slow
def test_umap_and_its_movie():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((30, 10)), rng.standard_normal((30, 10)) + 20])
    for count in (2, 3):
        shown = projection.umap(x, count)
        assert shown.shape == (60, count)
        assert np.array_equal(shown, projection.umap(x, count))
    movie = projection.aligned_umap([x, x + 0.01 * rng.standard_normal(x.shape), x])
    assert movie.shape == (3, 60, 2)
    spread = np.abs(movie[0] - movie[0].mean(axis=0)).mean()
    assert np.abs(movie[1] - movie[0]).mean() < spread
