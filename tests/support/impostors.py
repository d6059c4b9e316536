"""How examples of logs grow, and what none of them is."""

from __future__ import annotations

from pathlib import Path

STAGES = 4
STEPS = 12


def none_of_it(folder: Path) -> list[Path]:
    """What no source takes."""
    (folder / "prose.txt").write_text("a step in the right direction, said the train to val\n" * 3)
    (folder / "empty.log").write_bytes(b"")
    (folder / "binary.log").write_bytes(bytes(range(256)) * 8)
    (folder / "folder.csv").mkdir()
    (folder / "link.log").symlink_to(folder / "prose.txt")
    return [folder / name for name in ("prose.txt", "empty.log", "binary.log", "folder.csv", "link.log")]
