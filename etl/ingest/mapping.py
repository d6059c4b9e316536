"""Which fields of a table are its step, time and metrics: given, or guessed from their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

STEPS = (
    "step", "_step", "global_step", "global step", "train/global_step", "trainer/global_step", "iter", "iteration",
    "iters", "iter_num", "current_steps", "steps", "n_iter", "num_steps", "update", "update_step", "batch", "epoch",
)  # fmt: skip
TIMES = ("time", "_timestamp", "timestamp", "wall_time", "wall time", "walltime", "datetime", "date", "created_at")
EPOCHS = ("epoch", "train/epoch", "trainer/epoch", "current_epoch")
TOKENS = ("tokens", "tokens_seen", "num_input_tokens_seen", "total_tokens", "consumed_tokens", "n_tokens")


@dataclass(frozen=True)
class FieldMapping:
    """`step`, `time`, `epoch` and `tokens` name the fields that are those; `names` says what other fields are called
    in the store, "" for one that is left out. Every other number is a metric under its own name."""

    step: str
    time: str | None = None
    epoch: str | None = None
    tokens: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def metric(self, name: str) -> str:
        """What the metric of a field is called; "" for a field that is none."""
        if name in (self.step, self.time, self.epoch):
            return ""
        return self.names.get(name, name)

    def said(self) -> str:
        """In words, for whoever wants to see what was guessed."""
        parts = [f"step = {self.step}"]
        parts += [f"{role} = {name}" for role in ("time", "epoch", "tokens") if (name := getattr(self, role))]
        renamed = [f"{new} = {old}" for old, new in self.names.items() if new]
        return ", ".join(parts + renamed)


def guessed(names: Iterable[str]) -> FieldMapping | None:
    """The mapping that the names of fields tell; None where none of them is a step."""
    there = {_plain(name): name for name in reversed(list(names))}
    step = _first(STEPS, there)
    if step is None:
        return None
    others = {plain: name for plain, name in there.items() if name != step}
    return FieldMapping(step, _first(TIMES, others), _first(EPOCHS, others), _first(TOKENS, others))


@dataclass(frozen=True)
class Given:
    """What a person says of a table: fields by role ("step", "time", "epoch", "tokens"), and new names of fields."""

    roles: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def over(self, names: Iterable[str]) -> FieldMapping | None:
        """The mapping of fields of these names: as given, and where nothing is, as guessed. None without a step, and
        where a given role names no field."""
        names = list(names)
        base = guessed(names) or FieldMapping("")
        result = replace(base, **self.roles, names={**base.names, **self.names})
        return result if result.step in names and set(self.roles.values()) <= set(names) else None


def remembered(told: FieldMapping | None, memory: MutableMapping[str, Any]) -> FieldMapping | None:
    """What a person said of a log, now or at an earlier reading, whose memory this is; None where nobody did."""
    if told is not None:
        memory["told"] = asdict(told)
    return FieldMapping(**memory["told"]) if "told" in memory else None


def _plain(name: str) -> str:
    return re.sub(r"\s+", " ", name.strip().lower())


def _first(wanted: Iterable[str], there: Mapping[str, str]) -> str | None:
    return next((there[name] for name in wanted if name in there), None)
