"""The fast CRC is zlib's, of any bytes, from any place on, in pieces or whole."""

from __future__ import annotations

import functools
import operator
import subprocess
import sys
import zlib

import numba  # noqa: F401  (without it there is no loop)
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from etl.run import crc32 as fast

BYTES = np.random.default_rng(0).integers(0, 256, 1 << 16, np.uint8)
LEAST, ROUND = fast.LEAST, fast.DEGREE * fast.PIECE
SIZES = [0, 1, LEAST - 1, LEAST, LEAST + 1, 2 * ROUND - 1, 2 * ROUND, 2 * ROUND + 1, 3 * ROUND + 32, 65_000]


@given(st.integers(0, 200), st.sampled_from(SIZES) | st.integers(LEAST, 1 << 16), st.integers(0, 2**32 - 1))
def test_it_is_that_of_zlib(start: int, size: int, value: int) -> None:
    data = BYTES[start : start + size]
    assert fast.crc32(data, value) == zlib.crc32(data, value)


def test_the_multiple_that_it_goes_by_is_one() -> None:
    def power(exponent: int) -> int:
        remainder = 1
        for _ in range(exponent):
            remainder <<= 1
            remainder ^= 0x104C11DB7 * (remainder >> 32)
        return remainder

    terms = [0, *(fast.DEGREE - behind for behind in fast.BEHIND), fast.DEGREE]
    for size in (1, 8 * fast.WORD, 8 * fast.PIECE):
        assert functools.reduce(operator.xor, (power(size * term) for term in terms)) == 0


def test_of_memory_that_cannot_be_written() -> None:
    data = np.frombuffer(BYTES.tobytes(), np.uint8)
    assert fast.crc32(data, 7) == zlib.crc32(data, 7)


def test_one_bit_makes_another_crc() -> None:
    data = BYTES[: 2 * ROUND + 77].copy()
    whole = fast.crc32(data)
    for bit in range(0, 8 * data.size, 611):
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
