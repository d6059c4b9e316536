"""CRC-32 (zlib's polynomial) at about the speed of memory, where the processor multiplies polynomials.

The loop folds 128 bytes at a time into a remainder of 128 bytes that has the same CRC as all of them (Gopal et al.,
"Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009); zlib takes the CRC of that
remainder. It is written in LLVM's own language, since numba has no vectors, and compiled in some milliseconds at the
first call. Elsewhere zlib takes the CRC of everything, and so it does where numba was not loaded for something else:
LLVM takes 65 MB, which a server has no other use for.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

STRIDE = 128
_LEAST = 8 * STRIDE
"""Below this zlib is as fast."""
_POLYNOMIAL = 0x104C11DB7
_PIECE = 1 << 20

Fold = Callable[[int, int, int, Any], None]
"""(address of the data, how many strides, register, room for the remainder)."""


def crc32(data: npt.NDArray[np.uint8], value: int = 0) -> int:
    """`zlib.crc32(data, value)` of contiguous bytes. The interpreter's lock is released while it runs."""
    fold = compiled_fold(lanes()) if data.size >= _LEAST and "numba" in sys.modules else None
    if fold is None:
        return zlib.crc32(data.data, value)
    strides, remainder = data.size // STRIDE, (ctypes.c_char * STRIDE)()
    fold(data.__array_interface__["data"][0], strides, value ^ 0xFFFFFFFF, remainder)
    # zlib begins with all bits turned round: here with a register of zeros, since the data's is folded in already.
    crc = zlib.crc32(remainder, 0xFFFFFFFF)
    return zlib.crc32(data[strides * STRIDE :].data, crc) if data.size % STRIDE else crc


@functools.cache
def lanes() -> int:
    """How many products of 64 bits this processor makes at once: 2, 1, or 0 where it makes none."""
    try:
        from llvmlite.binding import get_host_cpu_features
    except ImportError:  # a machine that records or checks snapshots, and has numpy alone
        return 0
    features = get_host_cpu_features()
    if not features.get("pclmul"):
        return 0
    return 2 if features.get("vpclmulqdq") and features.get("avx2") else 1


def _power(exponent: int) -> int:
    """x^exponent modulo the polynomial, its 32 bits reversed and shifted by one, as folding reflected data has it."""
    remainder = 1
    for _ in range(exponent):
        remainder <<= 1
        remainder ^= _POLYNOMIAL * (remainder >> 32)
    return int(f"{remainder:032b}"[::-1], 2) << 1


@functools.cache
def compiled_fold(width: int) -> Fold | None:
    """The loop for vectors of `width` lanes, in machine code; None for 0 of them."""
    if not width:
        return None
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    features = binding.get_host_cpu_features().flatten()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=features, opt=3
    )
    engine = binding.create_mcjit_compiler(binding.parse_assembly(_assembly(width)), machine)
    engine.finalize_object()
    arguments = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint32, ctypes.c_void_p)
    function: Any = ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address("fold"))
    function.engine = engine  # its memory is that of the code
    fold: Fold = function
    return fold


def _assembly(width: int) -> str:
    """LLVM's assembly of the loop: 8 / width registers of `width` lanes, each multiplied and added to what comes."""
    from llvmlite import ir

    word, vector = ir.IntType(64), ir.VectorType(ir.IntType(64), 2 * width)
    byte = ir.IntType(8).as_pointer()
    module = ir.Module("crc32")
    suffix = ".256" if width == 2 else ""
    multiply = ir.Function(
        module, ir.FunctionType(vector, [vector, vector, ir.IntType(8)]), f"llvm.x86.pclmulqdq{suffix}"
    )
    signature = ir.FunctionType(ir.VoidType(), [byte, word, ir.IntType(32), byte])
    function = ir.Function(module, signature, "fold")
    data, strides, register, remainder = function.args
    entry, loop, done = (function.append_basic_block(name) for name in ("entry", "loop", "done"))
    size, count = 16 * width, STRIDE // (16 * width)
    constant = ir.Constant(vector, [_power(8 * STRIDE + 32), _power(8 * STRIDE - 32)] * width)

    def place(builder: Any, base: Any, offset: Any) -> Any:
        return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

    def loaded(builder: Any, offset: Any) -> list[Any]:
        offsets = [builder.add(offset, ir.Constant(word, k * size)) for k in range(count)]
        return [builder.load(place(builder, data, each), align=1) for each in offsets]

    builder = ir.IRBuilder(entry)
    zero = ir.Constant(word, 0)
    first = loaded(builder, zero)
    begun = builder.insert_element(ir.Constant(vector, [0] * (2 * width)), builder.zext(register, word), zero)
    first[0] = builder.xor(first[0], begun)
    more = builder.icmp_signed(">", strides, ir.Constant(word, 1))
    builder.cbranch(more, loop, done)

    builder = ir.IRBuilder(loop)
    index = builder.phi(word)
    sums = [builder.phi(vector) for _ in range(count)]
    index.add_incoming(ir.Constant(word, 1), entry)
    new = []
    for old, come in zip(sums, loaded(builder, builder.mul(index, ir.Constant(word, STRIDE))), strict=True):
        products = [builder.call(multiply, [old, constant, ir.Constant(ir.IntType(8), half)]) for half in (0, 0x11)]
        new.append(builder.xor(builder.xor(*products), come))
    following = builder.add(index, ir.Constant(word, 1))
    index.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, strides), loop, done)

    for each, start, end in zip(sums, first, new, strict=True):
        each.add_incoming(start, entry)
        each.add_incoming(end, loop)
    builder = ir.IRBuilder(done)
    for k, (start, end) in enumerate(zip(first, new, strict=True)):
        result = builder.phi(vector)
        result.add_incoming(start, entry)
        result.add_incoming(end, loop)
        first[k] = result
    for k, result in enumerate(first):
        builder.store(result, place(builder, remainder, ir.Constant(word, k * size)), align=1)
    builder.ret_void()
    return str(module)
