"""Tensors of any number of axes as matrices."""

from __future__ import annotations

import numpy as np
import pytest

from strobe.analysis.unfolding import Unfolding, unfoldings


@pytest.mark.parametrize(
    ("dims", "shape", "role", "expected"),
    [
        (["out", "in"], [3, 4], None, Unfolding((3, 4), ("out", "in"))),
        (["unit"], [5], "bias", Unfolding((1, 5), ("one", "unit"), vector=True)),
        (["out", "in", "height", "width"], [8, 3, 2, 2], "conv", Unfolding((8, 12), ("out", "in·height·width"))),
        (["out", "in", "kernel"], [1, 3, 5], None, Unfolding((1, 15), ("out", "in·kernel"))),
        (["batch", "position", "channel"], [1, 17, 32], None, Unfolding((17, 32), ("position", "channel"))),
        (["batch", "row", "channel"], [1, 1, 32], None, Unfolding((1, 32), ("row", "channel"))),
        (["a", "b", "c"], [2, 3, 4], None, Unfolding((2, 12), ("a", "b·c"))),
    ],
)
def test_one_matrix(dims: list[str], shape: list[int], role: str | None, expected: Unfolding) -> None:
    assert unfoldings(dims, shape, role) == [expected]
    assert expected.folded == ("·" in expected.dims[1])


@pytest.mark.parametrize(
    ("dims", "role", "kind"),
    [
        (["expert", "out", "in"], None, "expert"),
        (["a", "b", "c"], "expert", "expert"),
        (["head", "in", "out"], "q", "head"),
    ],
)
def test_one_matrix_for_each_expert_and_head(dims: list[str], role: str | None, kind: str) -> None:
    values = np.arange(24.0).reshape(2, 3, 4)
    found = unfoldings(dims, values.shape, role)
    assert [each.part for each in found] == [(kind, 0), (kind, 1)]
    for place, each in enumerate(found):
        np.testing.assert_array_equal(each.of(values), values[place])


def test_a_kernel_is_the_matrix_that_patches_are_multiplied_by() -> None:
    random = np.random.default_rng(0)
    kernel, image = random.normal(size=(4, 3, 2, 2)), random.normal(size=(3, 2, 2))
    (one,) = unfoldings(["out", "in", "height", "width"], kernel.shape, "conv")
    np.testing.assert_allclose(one.of(kernel) @ image.ravel(), np.einsum("oihw,ihw->o", kernel, image))
