"""The columns that a list of runs can have: what every run has, any key of a configuration, and the last, best,
least, greatest or mean value of any metric. The app and the command line name them alike."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from strobe.views.run_filter import FilterError

FACTS: Final = {
    "name": "Name", "run": "Id", "status": "Status", "exit": "Exit", "task": "Task", "source": "Source",
    "steps": "Steps", "attempts": "Attempts", "parameters": "Parameters", "layers": "Layers", "heads": "Heads",
    "width": "Width", "device": "Device", "created": "Created", "ended": "Ended", "seconds": "Duration",
    "snapshots": "Snapshots", "onset": "Onset", "grokking": "Grokking", "tags": "Tags", "note": "Note",
    "archived": "Archived",
}  # fmt: skip
"""Name -> heading, of what is known of every run."""
STATED: Final = {
    "task": "task", "source": "source", "exit": "status", "steps": "steps", "attempts": "attempts",
    "parameters": "n_params", "layers": "n_layer", "heads": "n_head", "width": "n_embd", "device": "device",
    "created": "created_at", "ended": "ended_at",
}  # fmt: skip
"""Those of them that are columns of the table `runs`."""
READ: Final = ("snapshots", "onset", "grokking", "status")
"""Those that other tables tell."""
OF_METRICS: Final = ("last", "best", "min", "max", "mean")
DEFAULT: Final = (
    "name", "status", "val_loss", "train_loss", "val_accuracy", "onset", "grokking", "steps", "task", "parameters",
    "snapshots", "tags", "created",
)  # fmt: skip
MOST: Final = 40
"""Columns of one list."""

_OF: Final = re.compile(r'(last|best|min|max|mean)\(\s*(?:"([^"]*)"|([^()]*?))\s*\)')
_ALSO: Final = {"lr": "learning_rate", "wd": "weight_decay", "bs": "batch_size"}
_RISING: Final = re.compile(r"acc|f1|auc|bleu|rouge|reward|score|mfu|per_sec|throughput", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """`of`: "fact", "config", or one of `OF_METRICS`; `key` is the fact, the path in the configuration, or the
    metric; `name` is how it was asked for."""

    name: str
    of: str
    key: str

    @property
    def heading(self) -> str:
        if self.of == "fact":
            return FACTS[self.key]
        return self.key if self.of in ("config", "last") else f"{self.direction} {self.key}"

    @property
    def direction(self) -> str:
        """Of a metric's column: which of its values; of the best one, the least or the greatest."""
        return ("max" if _RISING.search(self.key) else "min") if self.of == "best" else self.of

    @property
    def is_metric(self) -> bool:
        return self.of in OF_METRICS


def flattened(config: str | None) -> dict[str, Any]:
    """A configuration (JSON) as path -> value, with a dot between the parts of a path; lists as text."""
    try:
        whole = json.loads(config or "{}")
    except ValueError:
        return {}
    found: dict[str, Any] = {}
    _flatten("", whole, found)
    return found


def _flatten(path: str, value: Any, into: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _flatten(f"{path}.{key}" if path else str(key), item, into)
    elif path:
        into[path] = value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value)


def resolve(name: str, keys: Collection[str]) -> Column:
    """The column of a name, where `keys` are the paths of the configurations: a fact, `last(metric)` and the like, a
    path or the end of one, else the last value of a metric of that name. Raises FilterError where the end of a path
    is that of several."""
    asked = name.strip()
    if found := _OF.fullmatch(asked):
        return Column(asked, found[1], found[2] if found[2] is not None else found[3])
    if asked in FACTS:
        return Column(asked, "fact", asked)
    for wanted in (asked.removeprefix("config."), _ALSO.get(asked, "")):
        if wanted and (key := _key(asked, wanted, keys)):
            return Column(asked, "config", key)
    return Column(asked, "last", asked)


def _key(asked: str, wanted: str, keys: Collection[str]) -> str:
    if wanted in keys:
        return wanted
    ends = sorted(key for key in keys if key.endswith(f".{wanted}"))
    if len(ends) > 1:
        raise FilterError(f"the column {asked!r} may be {', '.join(ends)}; give the whole name")
    return ends[0] if ends else ""


def unknown(name: str, keys: Iterable[str], metrics: Iterable[str]) -> FilterError:
    """What to say of a column that no run has."""
    keys, metrics = list(keys), list(metrics)
    every = [*FACTS, *keys, *metrics]
    near = difflib.get_close_matches(name, every, n=2, cutoff=0.6)
    near += [other for other in every if name.lower() in other.lower() and other not in near][:2]
    hint = f"did you mean {' or '.join(dict.fromkeys(near[:3]))}?" if near else ""
    there = f"there are {_some(list(FACTS))}; of configurations {_some(keys)}; of metrics {_some(metrics)}"
    return FilterError(f"no run has the column {name[:80]!r}; {hint or there}")


def _some(names: list[str], most: int = 6) -> str:
    if not names:
        return "none"
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def names_in(columns: Iterable[Column]) -> tuple[str, ...]:
    """The metrics that some columns are of."""
    return tuple(dict.fromkeys(column.key for column in columns if column.is_metric))


def fact(name: str, row: Mapping[str, Any]) -> Any:
    """A fact that the table `runs` tells, of one of its rows."""
    if name == "name":
        return row["name"] or row["run"]
    if name == "seconds":
        both = row["created_at"] is not None and row["ended_at"] is not None
        return row["ended_at"] - row["created_at"] if both else None
    return row.get(STATED.get(name, name))
