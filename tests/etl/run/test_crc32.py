"""The fast CRC is zlib's, of any bytes, from any place on, in pieces or whole."""

from __future__ import annotations

import subprocess
import sys
import zlib

import numba  # noqa: F401  (without it there is no loop)
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.run import crc32 as fast

BYTES = np.random.default_rng(0).integers(0, 256, 1 << 16, np.uint8)
SIZES = [0, 1, 127, 128, 1023, 1024, 1025, 1151, 1152, 4096, 65_000]


@given(st.integers(0, 200), st.sampled_from(SIZES) | st.integers(0, 1 << 15), st.integers(0, 2**32 - 1))
def test_it_is_that_of_zlib(start: int, size: int, value: int) -> None:
    data = BYTES[start : start + size]
    assert fast.crc32(data, value) == zlib.crc32(data, value)


@pytest.mark.parametrize("width", [0, 1, 2])
def test_however_many_products_the_processor_makes_at_once(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if width > fast.lanes():
        pytest.skip("not on this processor")
    monkeypatch.setattr(fast, "lanes", lambda: width)
    for size in SIZES:
        assert fast.crc32(BYTES[3 : 3 + size], 7) == zlib.crc32(BYTES[3 : 3 + size], 7)


def test_one_bit_makes_another_crc() -> None:
    data = BYTES[:4096].copy()
    whole = fast.crc32(data)
    for bit in range(0, 8 * data.size, 61):
        data[bit // 8] ^= 1 << bit % 8
        assert fast.crc32(data) != whole
        data[bit // 8] ^= 1 << bit % 8


def test_llvm_is_not_loaded_for_it() -> None:
    code = (
        "import sys, numpy as np; from etl.run.crc32 import crc32; print(crc32(np.zeros(1 << 20, np.uint8)), "
        "any(name.startswith(('numba', 'llvmlite')) for name in sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.split() == [str(zlib.crc32(bytes(1 << 20))), "False"]
