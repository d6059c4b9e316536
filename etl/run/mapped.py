"""Snapshots as memory maps, for programs of people's own: a tensor costs no memory until it is looked at.

Nothing in this project reads through a map. Whoever does is killed by the system (SIGBUS) when the file is shortened
in place while it is looked at; `read` and `values` of the same snapshot raise SnapshotError then.
"""

from __future__ import annotations

import mmap

import numpy as np

from etl.run.snapshot import Array, Snapshot


class MappedSnapshot(Snapshot):
    """`snapshot["params/wte"]` is a read-only view of the file, mapped as it was when it was opened."""

    def _opened(self, descriptor: int) -> None:
        self._map = mmap.mmap(descriptor, self.size, prot=mmap.PROT_READ)

    def _whole(self, name: str) -> Array:
        dtype, shape, offset = self.placed(name)
        return np.ndarray(shape, dtype, self._map, offset)
