"""The one-pass kernel against answers known in advance and a long-double reference."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from etl.ingest.differences import delta_l2, delta_l2_rows
from etl.ingest.statistics import Statistics, statistics, statistics_rows
from tests.support.effort import tries
from tests.support.places import ROOT

BLOCK = 16_384
TILE = 1 << 20

RNG = np.random.default_rng(20250607)
PRECISION = 1e-12


def reference(array: np.ndarray[Any, Any]) -> Statistics:
    """The nine statistics in long double, whose range holds the square of every float64."""
    flat = array.ravel().astype(np.float64)
    finite = flat[np.isfinite(flat)].astype(np.longdouble)
    if finite.size == 0:
        return Statistics(flat.size, *[math.nan] * 7, flat.size)  # type: ignore[misc, arg-type]
    mean = finite.sum() / finite.size
    return Statistics(
        n=flat.size,
        l2=float(np.sqrt((finite * finite).sum())),
        mean=float(mean),
        std=float(np.sqrt(((finite - mean) ** 2).sum() / finite.size)),
        min=float(finite.min()) + 0.0,
        max=float(finite.max()) + 0.0,
        abs_max=float(np.abs(finite).max()),
        zero_fraction=float((finite == 0).sum()) / finite.size,
        nonfinite=flat.size - finite.size,
    )


def assert_matches(got: Statistics, array: np.ndarray[Any, Any]) -> None:
    want = reference(array)
    exact = ("n", "min", "max", "abs_max", "zero_fraction", "nonfinite")
    np.testing.assert_equal([getattr(got, name) for name in exact], [getattr(want, name) for name in exact])
    rms = want.l2 / math.sqrt(max(want.n - want.nonfinite, 1))
    np.testing.assert_allclose(got.l2, want.l2, rtol=PRECISION, atol=1e-322)
    np.testing.assert_allclose(got.mean, want.mean, rtol=0, atol=PRECISION * rms + 1e-322)
    # A spread below the last bit of the values is rounding in both: 2^-52 of the largest value is the floor.
    floor = max(abs(want.abs_max) * 2.0**-52, 1e-322) if want.std < want.abs_max * 1e-12 else 0.0
    np.testing.assert_allclose(got.std, want.std, rtol=PRECISION, atol=floor)


SHAPES = [1, 2, 3, 63, 64, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17, TILE + BLOCK + 5]
DTYPES = ["float16", "float32", "float64", "bfloat16", "int8", "uint8", "int32", "int64"]


def drawn(dtype: str, n: int) -> np.ndarray[Any, Any]:
    if "int" in dtype:
        return RNG.integers(0, 100, n).astype(dtype)
    return (RNG.normal(size=n) * 3 + 0.5).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


class TestKnownAnswers:
    def test_a_small_tensor(self) -> None:
        got = statistics(np.array([[3.0, -4.0], [0.0, -0.0]], np.float32))
        assert got == (4, 5.0, -0.25, math.sqrt(25 / 4 - 1 / 16), -4.0, 3.0, 4.0, 0.5, 0)

    def test_non_finite_values_are_counted_and_left_out(self) -> None:
        got = statistics(np.array([1, math.nan, 3, math.inf, -math.inf, -math.nan], np.float32))
        assert got == (6, math.sqrt(10), 2.0, 1.0, 1.0, 3.0, 3.0, 0.0, 4)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
    @pytest.mark.parametrize("n", [1, 100, 2 * BLOCK + 1])
    def test_no_finite_value_gives_nan_and_never_zero(self, dtype: str, n: int) -> None:
        array = np.resize(np.array([math.nan, math.inf, -math.inf]), n)
        got = statistics(array.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype))
        assert (got.n, got.nonfinite) == (n, n)
        assert all(math.isnan(value) for value in got[1:-1])

    def test_an_empty_tensor_has_no_statistics(self) -> None:
        got = statistics(np.empty((0, 3), np.float32))
        assert (got.n, got.nonfinite) == (0, 0)
        assert all(math.isnan(value) for value in got[1:-1])
        assert statistics_rows(np.empty((0, 3), np.float32)) == []
        assert len(statistics_rows(np.empty((3, 0), np.float32))) == 3

    @pytest.mark.parametrize("value", [1.5, -2.0, 0.0, 1e-45, 3.4e38, -1e-38])
    def test_one_value(self, value: float) -> None:
        value = float(np.float32(value))
        got = statistics(np.float32(value).reshape(()))
        assert got == (1, abs(value), value, 0.0, value, value, abs(value), float(value == 0), 0)

    def test_negative_zero_is_a_zero_and_is_not_shown(self) -> None:
        got = statistics(np.array([-0.0, -0.0], np.float32))
        assert got.zero_fraction == 1.0
        assert [math.copysign(1, value) for value in (got.min, got.max, got.abs_max)] == [1, 1, 1]

    def test_denormals_are_not_zeros(self) -> None:
        array = np.array([1e-45, -1e-45, 0, 1e-40], np.float32)
        got = statistics(array)
        assert got.zero_fraction == 0.25
        assert got.min == float(np.float32(-1e-45))
        assert_matches(got, array)

    def test_int64_beyond_two_to_the_53_is_rounded_first(self) -> None:
        array = np.array([2**53 + 1, 2**62 + 1, -(2**63)])
        got = statistics(array)
        assert (got.min, got.max) == (-(2.0**63), 2.0**62)
        assert_matches(got, array)


class TestRange:
    @pytest.mark.parametrize("value", [0.1, -3.3, 1e30, 1e-30, 7.0])
    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
    def test_a_constant_tensor_has_no_spread_at_all(self, value: float, dtype: str) -> None:
        value = math.copysign(min(abs(value), 1.0), value) if dtype == "float16" else value
        array = np.full(5 * BLOCK + 7, value, ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
        got = statistics(array)
        assert got.std == 0.0
        assert got.mean == got.min == got.max == float(array[0])
        array[::3] = math.nan
        assert statistics(array).std == 0.0

    def test_the_squares_of_huge_float32_do_not_overflow(self) -> None:
        array = np.array([3e38, -3e38, 1e38], np.float32)
        assert_matches(statistics(array), array)

    @pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-170, 1e-130, 1e150, 1e200, 1e300])
    def test_float64_of_any_magnitude(self, scale: float) -> None:
        array = RNG.normal(size=BLOCK + 3) * scale
        assert_matches(statistics(array), array)

    def test_an_l2_beyond_float64_is_infinite_and_the_rest_stays(self) -> None:
        got = statistics(np.array([1.5e308, -1.5e308]))
        assert got.l2 == math.inf
        assert (got.mean, got.abs_max) == (0.0, 1.5e308)
        np.testing.assert_allclose(got.std, 1.5e308, rtol=1e-15)

    @pytest.mark.parametrize("offset", [0.0, 1.0, 1e4, 1e6])
    def test_a_small_spread_round_a_large_mean(self, offset: float) -> None:
        array = (RNG.normal(size=7 * BLOCK) + offset).astype(np.float32)
        assert_matches(statistics(array), array)
        assert_matches(statistics(array.astype(np.float64) * 1e6 + 1e9), array.astype(np.float64) * 1e6 + 1e9)

    def test_outliers_where_the_pivot_is_taken(self) -> None:
        array = RNG.normal(size=4 * BLOCK)
        array[:BLOCK] += 1e9
        array[BLOCK:] *= 1e-3
        assert_matches(statistics(array), array)
        sampled = np.arange(15) * array.size // 15
        array[sampled] = 1e12
        assert_matches(statistics(array), array)

    def test_a_block_of_nan_beside_clean_ones(self) -> None:
        array = RNG.normal(size=6 * BLOCK).astype(np.float32)
        array[BLOCK : 2 * BLOCK] = math.nan
        array[5 * BLOCK + 9] = math.inf
        assert_matches(statistics(array), array)


class TestEveryDtypeAndSize:
    @pytest.mark.parametrize("n", SHAPES)
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_against_the_reference(self, dtype: str, n: int) -> None:
        array = drawn(dtype, n)
        got = statistics(array)
        assert_matches(got, array)
        assert statistics(array, threads=2) == got

    @pytest.mark.parametrize("dtype", [">f4", ">f8", ">i4", ">f2"])
    def test_the_other_byte_order(self, dtype: str) -> None:
        array = RNG.normal(size=100).astype(dtype) if "f" in dtype else RNG.integers(0, 9, 100).astype(dtype)
        assert_matches(statistics(array), array)

    @pytest.mark.parametrize("dtype", ["complex64", "bool", "U3", "datetime64[s]", "longdouble", "O"])
    def test_other_dtypes_are_refused_by_name(self, dtype: str) -> None:
        with pytest.raises(TypeError, match="no statistics of dtype"):
            statistics(np.zeros(3, dtype))


FLOAT32_BITS = hnp.arrays(np.uint32, hnp.array_shapes(max_dims=3, max_side=40), elements=st.integers(0, 2**32 - 1))
FLOAT64_BITS = hnp.arrays(np.uint64, hnp.array_shapes(max_dims=2, max_side=40), elements=st.integers(0, 2**64 - 1))


class TestProperties:
    @given(FLOAT32_BITS)
    @settings(max_examples=tries(50, 150))
    def test_any_float32_bits(self, bits: np.ndarray[Any, Any]) -> None:
        array = bits.view(np.float32)
        with np.errstate(invalid="ignore"):
            assert_matches(statistics(array), array)

    @given(FLOAT64_BITS)
    @settings(max_examples=tries(50, 150))
    def test_any_float64_bits(self, bits: np.ndarray[Any, Any]) -> None:
        array = bits.view(np.float64)
        got = statistics(array)
        with np.errstate(invalid="ignore", over="ignore"):
            if got.l2 < math.inf:
                assert_matches(got, array)
        assert got.nonfinite == np.count_nonzero(~np.isfinite(array))

    @given(st.floats(-1e6, 1e6, width=32), st.floats(0, 1e3, width=32), st.integers(1, 3 * BLOCK), st.integers(0, 99))
    @settings(max_examples=60)
    def test_any_mean_and_spread(self, mean: float, spread: float, n: int, seed: int) -> None:
        array = (np.random.default_rng(seed).normal(size=n) * spread + mean).astype(np.float32)
        got = statistics(array)
        assert_matches(got, array)
        assert got.std <= got.abs_max * (1 + 1e-15)


class TestThreads:
    @pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int32"])
    def test_bitwise_the_same(self, dtype: str) -> None:
        array = drawn(dtype, 3 * TILE + 12_345)
        if "float" in dtype:
            array[TILE + 5] = math.nan
        bits = {np.array(statistics(array, threads=count)).tobytes() for count in (1, 2, 3, 7)}
        assert len(bits) == 1

    def test_rows_are_bitwise_what_each_is_alone(self) -> None:
        array = RNG.normal(size=(5, 3, BLOCK)).astype(np.float32)
        array[2, 1, 7] = math.inf
        alone = [statistics(row) for row in array]
        assert statistics_rows(array) == alone
        assert statistics_rows(array, threads=2) == alone
        many = RNG.normal(size=(3000, 700)).astype(np.float16)
        assert statistics_rows(many, threads=2) == [statistics(row) for row in many]

    def test_the_size_of_the_tiles_does_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        array = drawn("float32", 9 * BLOCK + 3).reshape(3, -1)
        whole = statistics_rows(array)
        monkeypatch.setattr("etl.ingest.statistics.TILE", BLOCK)
        assert statistics_rows(array) == whole


class TestInputs:
    def test_what_is_not_contiguous(self) -> None:
        array = RNG.normal(size=(60, 80)).astype(np.float32)
        for view in (array[::2], array[:, ::3], array.T, array[::-1, ::-1], np.broadcast_to(array[0], (9, 80))):
            assert statistics(view) == statistics(view.copy())
            assert statistics_rows(view) == statistics_rows(view.copy())

    def test_what_is_not_aligned(self) -> None:
        raw = bytearray(4 * 100 + 1)
        array = np.frombuffer(raw, np.float32, 100, 1)
        array[:] = RNG.normal(size=100)
        assert not array.flags.aligned
        assert statistics(array) == statistics(array.copy())

    def test_a_memory_mapped_read_only_file(self, tmp_path: Path) -> None:
        array = RNG.normal(size=(4, 1000)).astype(np.float32)
        (tmp_path / "a.bin").write_bytes(b"\0" * 64 + array.tobytes())
        mapped = np.memmap(tmp_path / "a.bin", np.float32, "r", 64, (4, 1000))
        assert statistics(mapped) == statistics(array)
        assert delta_l2(mapped, array) == 0.0
        assert statistics_rows(mapped) == statistics_rows(array)

    def test_rows_need_an_axis(self) -> None:
        with pytest.raises(ValueError, match="no rows"):
            statistics_rows(np.float32(1).reshape(()))


class TestDelta:
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_known_distance(self, dtype: str) -> None:
        a, b = drawn(dtype, 2 * BLOCK + 9), drawn(dtype, 2 * BLOCK + 9)
        want = np.sqrt(((a.astype(np.longdouble) - b.astype(np.longdouble)) ** 2).sum())
        np.testing.assert_allclose(delta_l2(a, b), float(want), rtol=PRECISION)
        assert delta_l2(a, a.copy()) == 0.0

    def test_rows_and_threads(self) -> None:
        a, b = RNG.normal(size=(2, 3, TILE + 5)).astype(np.float32)
        rows = delta_l2_rows(a, b)
        assert rows.shape == (3,)
        assert rows.tobytes() == delta_l2_rows(a, b, threads=2).tobytes()
        assert rows.tolist() == [delta_l2(x, y) for x, y in zip(a, b, strict=True)]

    def test_different_dtypes_meet_in_float64(self) -> None:
        a = RNG.normal(size=100)
        want = np.linalg.norm(a - a.astype(np.float16).astype(np.float64))
        np.testing.assert_allclose(delta_l2(a, a.astype(np.float16)), want, rtol=PRECISION)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_a_value_that_is_not_finite_makes_it_unknown(self, dtype: str, bad: float) -> None:
        a = np.ones((2, 10), ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
        b = a.copy()
        b[1, 3] = bad
        np.testing.assert_equal(delta_l2_rows(a, b), [0.0, math.nan])
        np.testing.assert_equal(delta_l2_rows(b, b), [0.0, math.nan])

    @pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e160, 1e300])
    def test_differences_whose_squares_leave_float64(self, scale: float) -> None:
        a, b = RNG.normal(size=(2, 1000)) * scale
        np.testing.assert_allclose(delta_l2(a, b) / scale, np.linalg.norm((a - b) / scale), rtol=PRECISION)
        assert delta_l2(a, a) == 0.0

    def test_differences_beyond_float64_itself(self) -> None:
        big = np.array([1.7e308])
        assert delta_l2(big, -big) == math.inf
        np.testing.assert_allclose(delta_l2(big, -big / 100), 1.717e308, rtol=1e-12)

    def test_shapes_must_agree(self) -> None:
        with pytest.raises(ValueError, match=r"\(2,\) and \(3,\) differ"):
            delta_l2(np.zeros(2), np.zeros(3))
        assert delta_l2(np.zeros((0, 4)), np.zeros((0, 4))) == 0.0


PROBE = """
import json
import etl.ingest.statistics
import numpy as np
result = etl.ingest.statistics.statistics(np.arange(10, dtype=np.float32))
from etl.ingest import kernels
print(json.dumps({"l2": result.l2, "file": kernels.__file__}))
"""


def run_probe(folder: Path, **environment: str) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


class TestImport:
    def test_importing_brings_no_numba(self) -> None:
        code = "import sys, etl.ingest.statistics; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert "etl.ingest.statistics" in done.stdout.split()
        assert {"numba", "pyarrow", "duckdb", "pandas"} & set(done.stdout.split()) == set()

    @pytest.mark.slow
    def test_a_folder_where_no_cache_can_be_written(self, tmp_path: Path) -> None:
        """A read-only install and no home: numba has no place for its cache and compiles without one."""
        package = tmp_path / "etl" / "ingest"
        package.mkdir(parents=True)
        shutil.copy(ROOT / "etl" / "__init__.py", package.parent)
        for name in ("__init__.py", "statistics.py", "kernels.py"):
            shutil.copy(ROOT / "etl" / "ingest" / name, package)
        (package / "__pycache__").write_text("in the way of the cache, even for root")
        (tmp_path / "home").write_text("no folder")
        home = str(tmp_path / "home")
        probe = run_probe(tmp_path, PYTHONPATH=str(tmp_path), HOME=home, XDG_CACHE_HOME=home)
        assert probe["file"] == str(package / "kernels.py")
        assert probe["l2"] == math.sqrt(285)
