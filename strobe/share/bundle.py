"""A share as a folder: the app, the thinned store, and share.json, which says what became of everything."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from etl.errors import StrobeError
from etl.store.catalogue import Store
from etl.store.files import Files
from etl.store.store_file import prepare_store
from etl.store.stored_run import StoredRun
from strobe.share.app_files import ROOT, copy_app
from strobe.share.run import RunReport, Sharing, Subject
from strobe.share.scrub import Scrubber, here
from strobe.version import __version__

SHARE_FILE: Final = "share.json"
STORE: Final = "store"
FORMAT: Final = {"format": "strobe-share", "version": 1}
_OVERHEAD: Final = 250_000
"""Room for share.json, pointers and manifests."""
_OF_THE_PERSON: Final = frozenset({".git", ".gitignore", ".gitattributes", "README.md", ".devcontainer", ".github"})
"""What a folder may hold that is about to be a share, and keeps."""


def share(
    store: Store, runs: Sequence[StoredRun], target: Path, max_bytes: int, *, dry_run: bool = False,
    on_total: Callable[[int], None] = lambda _steps: None, on_step: Callable[[], None] = lambda: None,
    root: Path = ROOT,
) -> dict[str, Any]:  # fmt: skip
    """Make `target` a share of these runs in at most `max_bytes`; returns what share.json holds.

    Nothing is written where it would not fit, nor with `dry_run`. Raises StrobeError, also where `target` is
    something else than a share.
    """
    before = _there(target)
    with tempfile.TemporaryDirectory(dir=None if dry_run else _parent(target), prefix=".share-") as scratch:
        made = Path(scratch) / "share"
        made.mkdir()
        said = _make(store, runs, made, max_bytes, on_total, on_step, root)
        if not dry_run:
            _replace(made, target, before)
    return said


def _make(
    store: Store, runs: Sequence[StoredRun], made: Path, max_bytes: int, on_total: Callable[[int], None],
    on_step: Callable[[], None], root: Path,
) -> dict[str, Any]:  # fmt: skip
    app = copy_app(made, root)
    files = Files(made / STORE)
    prepare_store(files)
    subjects = [Subject.of(store, run) for run in runs]
    on_total(sum(2 * len(run.steps()) for run in runs))
    scrubber = here([json.loads(run.row["config"] or "{}") for run in runs])
    room = max_bytes - app - _OVERHEAD
    if room <= 0:
        raise StrobeError(
            f"the app alone takes {app / 1e6:.1f} MB; give a --max-size of {app / 1e6 + 5:.0f}MB or more"
        )
    reports = []
    for subject, allowance in zip(subjects, allowances([each.wanted for each in subjects], room), strict=True):
        reports.append(Sharing(subject, files, scrubber, on_step).write(allowance))
    for lock in made.rglob(".lock"):
        lock.unlink()
    _check_traces(made / STORE, scrubber)
    said = _said(made, reports, app, scrubber)
    (made / SHARE_FILE).write_text(json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    if size > max_bytes:
        raise StrobeError(
            f"the share takes {size / 1e6:.1f} MB of {max_bytes / 1e6:.1f}; leave out {_largest(reports)}, or give a "
            "larger --max-size"
        )
    return said | {"size": size}


def allowances(wanted: Sequence[int], room: int) -> list[int]:
    """Bytes for each run: what it wants where that is less than an equal share of what is left, from the least on."""
    given, left = dict.fromkeys(range(len(wanted)), 0), room
    for place, index in enumerate(sorted(range(len(wanted)), key=lambda k: (wanted[k], k))):
        # A little more than counted: files have headers, and parts are written anew.
        given[index] = min(left // (len(wanted) - place), int(wanted[index] * 1.2) + 500_000)
        left -= given[index]
    return [given[index] for index in range(len(wanted))]


def _largest(reports: Sequence[RunReport]) -> str:
    return f"run {max(reports, key=lambda report: report.bytes).run}"


def _said(made: Path, reports: Sequence[RunReport], app: int, scrubber: Scrubber) -> dict[str, Any]:
    files = {
        path.relative_to(made).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(made.rglob("*"))
        if path.is_file()
    }
    content = hashlib.sha256("".join(f"{name}\0{digest}\n" for name, digest in sorted(files.items())).encode())
    return {
        **FORMAT, "strobe": __version__, "content": content.hexdigest(), "app_bytes": app,
        "texts_removed": scrubber.count, "runs": [asdict(report) for report in reports], "files": files,
    }  # fmt: skip


def _check_traces(store: Path, scrubber: Scrubber) -> None:
    """Reads all texts of the store that was made, names of files and of metrics too. Raises StrobeError."""
    for path in sorted(store.rglob("*")):
        texts = [path.relative_to(store).as_posix()]
        if path.suffix == ".json":
            texts.append(path.read_text())
        elif path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            texts += [str(file.schema_arrow), str(file.metadata.metadata)]
        for text in texts:
            if found := scrubber.finds(text):
                raise StrobeError(
                    f"{path.relative_to(store)} would tell {found!r:.80}, a name of this machine or of whoever "
                    "trained; rename the run, or what in it has that name"
                )


def _parent(target: Path) -> Path:
    parent = target.absolute().parent
    if not parent.is_dir():
        raise StrobeError(f"{parent} is no folder; give an --out in a folder that exists")
    return parent


def _there(target: Path) -> list[str]:
    """The files of the share that stands there; none in an empty folder. Raises StrobeError for anything else."""
    if not os.path.lexists(target):
        return []
    if target.is_symlink() or not target.is_dir():
        raise StrobeError(f"{target} is no folder; give another --out")
    holds = sorted(path.name for path in target.iterdir())
    if SHARE_FILE not in holds:
        if set(holds) <= _OF_THE_PERSON:
            return []
        raise StrobeError(f"{target} is no share (it holds {holds[0]!r:.60}) and is not replaced; give another --out")
    try:
        said = json.loads((target / SHARE_FILE).read_bytes())
        if said["format"] == FORMAT["format"]:
            return [SHARE_FILE, *(str(name) for name in said["files"])]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise StrobeError(f"{target / SHARE_FILE} is no share's file, so the folder is not replaced; give another --out")


def _replace(made: Path, target: Path, before: Sequence[str]) -> None:
    """Put every file in its place, then remove those of the share that stood there and are no part of this one."""
    target.mkdir(exist_ok=True)
    names = [path.relative_to(made).as_posix() for path in sorted(made.rglob("*")) if path.is_file()]
    for name in names:
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (made / name).replace(place)
    for name in sorted(set(before) - set(names)):
        # What a share's file lists is a stranger's word: nothing outside the folder is touched.
        if (target / name).resolve().is_relative_to(target.resolve()):
            (target / name).unlink(missing_ok=True)
            _remove_empty((target / name).parent, target)


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
