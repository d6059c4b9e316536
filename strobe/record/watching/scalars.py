"""`strobe.init`, `strobe.log` and `strobe.finish`: a run of scalars alone, in the shape that people know."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from etl.run.names import run_id
from strobe.record.ending import Ending
from strobe.record.errors import RecorderError
from strobe.record.manifest import plain
from strobe.record.recorder import Recorder, Status
from strobe.record.watching.begin import Resume, free_folder, resumed, updates_before
from strobe.settings import runs_path

log_ = logging.getLogger("strobe.record")

_MODES = ("on", "disabled")


class ScalarRun:
    """A run of scalars. Each `log` without a step is one step further; nothing it does raises into the training."""

    def __init__(self, recorder: Recorder | None, step: int = 0) -> None:
        """`recorder` None is a run that records nothing."""
        self._recorder, self._next = recorder, step

    @property
    def folder(self) -> Path | None:
        """The run's folder; None of a disabled run."""
        return self._recorder.folder if self._recorder is not None else None

    @property
    def status(self) -> Status:
        """What became of the metrics so far."""
        return self._recorder.status if self._recorder is not None else Status()

    def log(self, metrics: Any = None, /, step: Any = None, **more: Any) -> None:
        """Append metrics by name, from a mapping, keywords, or both."""
        if self._recorder is None:
            return
        at = self._next if step is None else step
        if isinstance(at, int):
            self._next = at + 1
        self._recorder.log(at, {} if metrics is None else metrics, **more)

    def finish(self, end: Ending = "finished", reason: str | None = None) -> None:
        """Write what is queued, and end the run."""
        if self._recorder is not None:
            self._recorder.finish(end, reason)

    def __enter__(self) -> Self:
        if self._recorder is not None:
            self._recorder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._recorder is not None:
            self._recorder.__exit__(kind, error, trace)
        _forget(self)


_current: list[ScalarRun] = []
"""The run that `log` means: one at most."""
_warned: list[bool] = []


def init(
    project: str | None = None,
    *,
    name: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    config: Any = None,
    metrics: Mapping[str, str] | None = None,
    resume: Resume = "never",
    mode: str = "on",
) -> ScalarRun:
    """Begin a run of scalars, which `log` and `finish` mean from then on; an earlier one is finished.

    `folder` is the run's, by default one under `$STROBE_RUNS` or `./runs`, called after `name`, else after `project`
    and the moment. `config`, `metrics` and `resume` are those of `strobe.watch`; mode "disabled" records nothing.
    Raises RecorderError when it cannot begin.
    """
    if mode not in _MODES:
        raise RecorderError(f"mode is {mode!r:.40}; give one of {', '.join(_MODES)}")
    finish()
    run = ScalarRun(None) if mode == "disabled" else _begun(project, name, folder, config, metrics, resume)
    _current.append(run)
    return run


def _begun(
    project: str | None,
    name: str | None,
    folder: str | os.PathLike[str] | None,
    config: Any,
    metrics: Mapping[str, str] | None,
    resume: Resume,
) -> ScalarRun:
    if folder is not None:
        place = Path(folder)
    else:
        called = name or f"{project or 'run'}-{time.strftime('%Y%m%d-%H%M%S')}"
        place = runs_path() / run_id(called)
        place = place if resume != "never" else free_folder(place)
    again = resumed(place, resume)
    step = updates_before(place, None) + 1 if again else 0
    about: dict[str, Any] = {"name": name, "training": training(config, project), "metric_names": metrics}
    return ScalarRun(Recorder(place, [], **about, resume=again, step=step), step)


def training(config: Any, project: str | None = None) -> dict[str, Any]:
    """The manifest's `training`: a person's own words, whatever they are."""
    told = {} if project is None else {"project": project}
    if config is None:
        return told
    try:
        return told | plain(config, "config")
    except RecorderError:
        return told | {"config": str(config)}


def log(metrics: Any = None, /, step: Any = None, **more: Any) -> None:
    """`ScalarRun.log` of the run that was begun last. Where none is, that is said once and nothing is recorded."""
    if _current:
        _current[-1].log(metrics, step, **more)
    elif not _warned:
        _warned.append(True)
        log_.warning("strobe.log without strobe.init: nothing is recorded")


def finish() -> None:
    """End the run that was begun last, if one is at work."""
    if _current:
        _current.pop().finish()


def _forget(run: ScalarRun) -> None:
    if run in _current:
        _current.remove(run)
