"""Maps of neighbours, by t-SNE and UMAP, in a process of their own: imports and first fits take tens of seconds.

python -m strobe.views.neighbour_maps FRAMES.npy METHOD OUT.npy

FRAMES.npy holds (steps, n, d) float32; OUT.npy gets (steps, n, 2) float32, by rename, when all of it is done. How far
it is stands in OUT.npy.progress as "done total". It ends with the server that holds the other end of its
standard input.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from etl.parents import end_with_input
from etl.replacing import replacing_path

METHODS: Final = ("tsne", "umap")

Array = np.ndarray[Any, Any]


def neighbour_map(frames: Array, method: str, on_frame: Callable[[int], None] = lambda _done: None) -> Array:
    """(steps, n, d) -> (steps, n, 2): t-SNE frame by frame, each started from and aligned with the one before; UMAP
    of all frames together (AlignedUMAP), or of the one there is. Raises ValueError for an unknown method."""
    from strobe.analysis.projection import aligned_umap, procrustes, tsne, umap

    if method == "umap":
        return aligned_umap(frames) if len(frames) > 1 else umap(frames[0])[None]
    if method != "tsne":
        raise ValueError(f"there is no method {method!r}; there are {', '.join(METHODS)}")
    shown: list[Array] = []
    for frame in frames:
        seen = tsne(frame, start=shown[-1] if shown else None)
        shown.append(procrustes(seen, shown[-1]) if shown else seen)
        on_frame(len(shown))
    return np.stack(shown)


def main(frames: Path, method: str, out: Path) -> None:
    """Read, compute, and leave the result under its name."""
    values = np.load(frames, allow_pickle=False)
    progress = out.with_name(out.name + ".progress")
    progress.write_text(f"0 {len(values)}")
    made = neighbour_map(values, method, lambda done: _say(progress, done, len(values)))
    with replacing_path(out, fsync=False, suffix=".npy") as temporary:
        np.save(temporary, made.astype(np.float32))
    progress.unlink(missing_ok=True)
    frames.unlink(missing_ok=True)


def _say(progress: Path, done: int, total: int) -> None:
    progress.write_text(f"{done} {total}")


if __name__ == "__main__":
    end_with_input()
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
