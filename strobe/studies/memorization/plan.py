"""What a study is asked to do, and the modes that say so in one word."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from etl.errors import StrobeError
from etl.replacing import replacing, write_all
from strobe.analysis.memorization.compression import NEIGHBOURS
from strobe.analysis.memorization.reproduction import MEMORIZED
from strobe.derive.study_files import FOLDER, STUDY, study_of

MODES: Final[dict[str, dict[str, Any]]] = {
    "example": {
        "passages": 20,
        "epochs": (1, 3, 10),
        "longest": 64,
        "width": 128,
        "learning_rate": 1e-3,
        "init_std": 0.08,
    },
    "quick": {"passages": 50, "epochs": (1, 5, 20)},
    "standard": {"passages": 100, "epochs": (1, 3, 5, 10, 20, 30, 50, 100)},
    "deep": {"passages": 200, "epochs": (1, 3, 5, 10, 20, 30, 50, 100, 200)},
}
"""How many passages, of which half are trained on, and the epochs at which they are measured."""
RESTARTED: Final = ("continuous", "restart")


@dataclass(frozen=True)
class Plan:
    """`training` "continuous" measures one training on its way; "restart" trains anew, from other initial weights and
    in another order, up to each epoch. `longest` is in tokens. `model` is a folder of Hugging Face's; None is the
    reference GPT-2 of `layers`, `heads` and `width`. `threads` are those that PyTorch works with."""

    mode: str
    passages: int
    epochs: tuple[int, ...]
    seed: int = 0
    training: str = "continuous"
    longest: int = 96
    layers: int = 4
    heads: int = 4
    width: int = 256
    init_std: float = 0.05
    learning_rate: float = 5e-4
    batch_size: int = 1
    threshold: float = MEMORIZED
    neighbours: int = NEIGHBOURS
    model: str | None = None
    device: str = "auto"
    threads: int = 2

    def __post_init__(self) -> None:
        _check(self.mode in MODES, f"there is no mode {self.mode!r:.40}; there are {', '.join(MODES)}")
        _check(self.training in RESTARTED, f"training is {self.training!r:.40}; give continuous or restart")
        _check(self.passages >= 4, f"{self.passages} passages; give at least 4, of which half are trained on")
        ascending = list(self.epochs) == sorted(set(self.epochs))
        _check(bool(self.epochs) and ascending and self.epochs[0] >= 1, f"epochs are {self.epochs}; give 1,5,20")
        _check(0 < self.threshold <= 1, f"the threshold is {self.threshold}; give a share above 0, such as 0.6")
        _check(self.batch_size >= 1, f"batch size is {self.batch_size}; give at least 1")
        _check(self.neighbours >= 1, f"{self.neighbours} neighbours; give at least 1")
        _check(0 <= self.seed < 2**63, f"seed is {self.seed}; give 0 or more, below 2^63")
        _check(self.threads >= 1, f"{self.threads} threads; give at least 1")

    @property
    def last(self) -> int:
        """The last epoch."""
        return self.epochs[-1]


def _check(good: bool, otherwise: str) -> None:
    if not good:
        raise StrobeError(otherwise)


def epochs_of(text: str | None) -> tuple[int, ...] | None:
    """The epochs of "1,5,20"; None of None. Raises StrobeError."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    _check(all(part.isdecimal() for part in parts), f"epochs are {text!r:.60}; give whole numbers, such as 1,5,20")
    return tuple(map(int, parts))


def plan_of(mode: str, **given: Any) -> Plan:
    """The mode, and on top of it what was given and is not None. Raises StrobeError."""
    _check(mode in MODES, f"there is no mode {mode!r:.40}; there are {', '.join(MODES)}")
    return Plan(
        **{"mode": mode, **MODES[mode], **{name: value for name, value in given.items() if value is not None}}
    )


def save(plan: Plan, folder: Path) -> None:
    """Into the run's folder, which is made."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    with replacing(folder / FOLDER / STUDY) as descriptor:
        write_all(descriptor, json.dumps(dataclasses.asdict(plan), indent=1).encode())


def saved(folder: Path) -> Plan | None:
    """The plan of the study in a run's folder; None where there is none. Raises StrobeError for a damaged one."""
    told = study_of(folder)
    if told is None:
        return None
    try:
        return Plan(**{**told, "epochs": tuple(told["epochs"])})
    except (TypeError, KeyError) as error:
        raise StrobeError(f"{folder / FOLDER / STUDY}: is no plan of a study ({error})") from None


def same(given: Plan, kept: Plan) -> None:
    """Raises StrobeError where a resumed study was asked for otherwise than it was begun."""
    for field in dataclasses.fields(Plan):
        ours, theirs = getattr(given, field.name), getattr(kept, field.name)
        _check(ours == theirs, f"a resumed study keeps its {field.name} of {theirs}; {ours} was given")
