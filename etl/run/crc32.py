"""CRC-32 (zlib's polynomial) at about the speed of memory, by exclusive-or alone.

1 + x^89 + x^117 + x^155 + x^300 is a multiple of the polynomial, and so it is with any power of two of x for x. So a
piece of 2^k bits may be added to the pieces 145, 183, 211 and 300 places behind it and be taken as zero, and the CRC
stays the same: of any number of pieces the last 300 are left. (With a multiplication of polynomials instead: Gopal et
al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009; it takes half as long
again.) Pieces of 32 bytes leave 9,600, of those pieces of 8 bytes leave 2,400, and zlib takes the CRC of these.

The loops are written in LLVM's own language, since numba has no vectors, and compiled in some milliseconds at the
first call. zlib takes the CRC of everything where numba was not loaded for something else: LLVM takes 65 MB, which a
server has no other use for.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

DEGREE = 300
BEHIND = (145, 183, 211)
"""How many places behind a piece it is added, besides the degree."""
PIECE, WORD = 32, 8
LEAST = 16 << 10
"""Below this zlib is as fast."""
_LINE = 64
"""Bytes of a line of the processor's cache: pieces that lie across two take twice as long."""

Fold = Callable[[Any, int, int, Any], None]
"""(address of the data, how many pieces, register, room for the remainder of DEGREE words)."""
_Remainder = ctypes.c_uint64 * DEGREE


def crc32(data: npt.NDArray[np.uint8], value: int = 0) -> int:
    """`zlib.crc32(data, value)` of contiguous bytes. The interpreter's lock is released while it runs."""
    if data.size < LEAST or "numba" not in sys.modules:
        return zlib.crc32(data.data, value)
    pieces, remainder = data.size // PIECE, _Remainder()
    address = ctypes.byref(ctypes.c_char.from_buffer(data.data)) if data.flags.writeable else data.ctypes.data
    compiled_fold()(address, pieces, value ^ 0xFFFFFFFF, remainder)
    # zlib begins with all bits turned round: here with a register of zeros, since the data's is folded in already.
    crc = zlib.crc32(remainder, 0xFFFFFFFF)
    return zlib.crc32(data[pieces * PIECE :].data, crc) if data.size % PIECE else crc


@functools.cache
def compiled_fold() -> Fold:
    """The loops in machine code, for this processor."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    features = binding.get_host_cpu_features().flatten()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=features, opt=3
    )
    engine = binding.create_mcjit_compiler(binding.parse_assembly(_assembly()), machine)
    engine.finalize_object()
    arguments = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint32, ctypes.c_void_p)
    function: Any = ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address("fold"))
    function.engine = engine  # its memory is that of the code
    fold: Fold = function
    return fold


def _assembly() -> str:
    """LLVM's assembly: rounds through a ring of the last pieces, the last of which adds nothing of itself; then once
    through the ring as words. The last piece comes into the last slot, and the first where that makes it begin."""
    from llvmlite import ir

    count, byte = ir.IntType(64), ir.IntType(8).as_pointer()
    module = ir.Module("crc32")
    signature = ir.FunctionType(ir.VoidType(), [byte, count, ir.IntType(32), byte])
    function = ir.Function(module, signature, "fold")
    data, pieces, register, remainder = function.args
    loops = _Loops(ir.IRBuilder(function.append_basic_block()))
    build, number = loops.build, loops.number
    slot = build.srem(build.sub(number(0), pieces), number(DEGREE))
    slot = build.select(build.icmp_signed("<", slot, number(0)), build.add(slot, number(DEGREE)), slot)
    ring = loops.ring()
    build.store(register, build.bitcast(loops.at(ring, build.mul(slot, number(PIECE))), register.type.as_pointer()))
    begun, end = (loops.at(data, build.mul(n, number(size))) for n, size in ((slot, -PIECE), (pieces, PIECE)))
    entry, check, again, last = build.block, *(function.append_basic_block() for _ in range(3))
    build.branch(check)
    build.position_at_end(check)
    come, first = build.phi(byte), build.phi(count)
    come.add_incoming(begun, entry)
    first.add_incoming(slot, entry)
    following = loops.at(come, DEGREE * PIECE)
    build.cbranch(build.icmp_unsigned("<", following, end), again, last)

    build.position_at_end(again)
    loops.round(ring, come, first, last=False)
    come.add_incoming(following, build.block)
    first.add_incoming(number(0), build.block)
    build.branch(check)

    build.position_at_end(last)
    loops.round(ring, come, first, last=True)
    loops.words(ring)
    loops.copy(loops.at(ring, DEGREE * (PIECE - WORD)), remainder, DEGREE * WORD)
    build.ret_void()
    return str(module)


class _Loops:
    """The loops, one behind the other in one function."""

    def __init__(self, builder: Any) -> None:
        from llvmlite import ir

        self.build, self._vector = builder, ir.VectorType(ir.IntType(64), PIECE // 8).as_pointer()
        self.number = functools.partial(ir.Constant, ir.IntType(64))

    def ring(self) -> Any:
        """Address of DEGREE pieces, all zero."""
        from llvmlite import ir

        room = self.build.alloca(ir.ArrayType(ir.IntType(8), DEGREE * PIECE))
        room.align = _LINE
        address = self.build.bitcast(room, ir.IntType(8).as_pointer())
        with self._loop(self.number(0), DEGREE) as offset:
            self._store(ir.Constant(self._vector.pointee, None), address, offset)
        return address

    def copy(self, source: Any, target: Any, size: int) -> None:
        with self._loop(self.number(0), size // PIECE) as offset:
            self._store(self._load(source, offset), target, offset)

    def at(self, address: Any, offset: Any) -> Any:
        return self.build.gep(address, [self.number(offset) if isinstance(offset, int) else offset])

    def round(self, ring: Any, come: Any, first: Any, *, last: bool) -> None:
        """ring[k] ^= come[k] and what was before, from k = first on, in stretches where that lies at one distance."""
        edges = (0, *BEHIND, DEGREE)
        for start, stop in pairwise(edges):
            within = [-each for each in BEHIND if each <= start and not last]
            places = within + [DEGREE - each for each in BEHIND if each > start]
            addresses = [come, *(self.at(ring, place * PIECE) for place in places)]
            begin = self.build.select(
                self.build.icmp_signed(">", first, self.number(start)), first, self.number(start)
            )
            with self._loop(begin, stop) as offset:
                total = self._load(ring, offset)
                for address in addresses:
                    total = self.build.xor(total, self._load(address, offset))
                self._store(total, ring, offset)

    def words(self, ring: Any) -> None:
        """Add each word of the ring to those behind it, but for the last, which are left."""
        with self._loop(self.number(0), DEGREE * (PIECE - WORD) // PIECE) as offset:
            added = self._load(ring, offset)
            for place in (*BEHIND, DEGREE):
                behind = self.at(ring, place * WORD)
                self._store(self.build.xor(self._load(behind, offset), added), behind, offset)

    def _load(self, address: Any, offset: Any) -> Any:
        return self.build.load(self.build.bitcast(self.at(address, offset), self._vector), align=1)

    def _store(self, value: Any, address: Any, offset: Any) -> None:
        self.build.store(value, self.build.bitcast(self.at(address, offset), self._vector), align=1)

    @contextmanager
    def _loop(self, begin: Any, stop: int) -> Iterator[Any]:
        """The offset in bytes of the pieces from `begin` to `stop`."""
        build, before = self.build, self.build.block
        body, after = (build.function.append_basic_block() for _ in range(2))
        build.cbranch(build.icmp_signed("<", begin, self.number(stop)), body, after)
        build.position_at_end(body)
        index = build.phi(begin.type)
        index.add_incoming(begin, before)
        yield build.mul(index, self.number(PIECE))
        following = build.add(index, self.number(1))
        index.add_incoming(following, body)
        build.cbranch(build.icmp_signed("<", following, self.number(stop)), body, after)
        build.position_at_end(after)
