"""What other tools call a metric that the format has a name for: `loss` is `train_loss`, `eval/loss` is `val_loss`.

A metric is stored, and so reaches the Loss and Accuracy panels, under the format's name; `metrics.source_name` keeps
its own. A run's manifest may say otherwise in `metric_names`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

Names = Mapping[str, str]
"""A metric's own name -> the one that it is stored under, where that is another."""

_TRAIN: Final = ("train", "training")
_VAL: Final = ("val", "valid", "validation", "eval", "evaluation", "dev")


def _both_ways(splits: Iterable[str], words: Iterable[str]) -> list[str]:
    """train_loss and loss_train."""
    return [name for word in words for split in splits for name in (f"{split}_{word}", f"{word}_{split}")]


_LOSS: Final = ("loss",)
_ACCURACY: Final = ("accuracy", "acc")
ALIASES: Final[Names] = {
    **dict.fromkeys(("loss", "train_loss_step", *_both_ways(_TRAIN, _LOSS)), "train_loss"),
    **dict.fromkeys(_both_ways(_VAL, _LOSS), "val_loss"),
    **dict.fromkeys((*_ACCURACY, *_both_ways(_TRAIN, _ACCURACY)), "train_accuracy"),
    **dict.fromkeys(_both_ways(_VAL, _ACCURACY), "val_accuracy"),
    **dict.fromkeys(("lr", *_both_ways(_TRAIN, ("lr", "learning_rate"))), "learning_rate"),
    **dict.fromkeys(("gradient_norm", *_both_ways(_TRAIN, ("grad_norm",))), "grad_norm"),
}
"""A name in lower case, whose words are joined by `_` -> the format's."""
_JOINTS: Final = re.compile(r"[/. :-]+")


def alias(name: str, own: Names = {}) -> str:  # noqa: B006
    """The name that a metric is stored under, by the run's `own` table and then ours; itself where neither has it."""
    return own.get(name) or ALIASES.get(_JOINTS.sub("_", name.lower()), name)


def chosen(names: Iterable[str], known: Names, own: Names) -> dict[str, str]:
    """`known`, and the format's name of each of `names` that has one, in the order in which the log has them.

    Of several metrics that mean one, the first has its name and the others keep their own; a metric that is called so
    itself goes before all. Such a one stands in the result as well, under itself.
    """
    new = list(names)
    targets = {*ALIASES.values(), *own.values()}
    found = {name: target for name, target in known.items() if name == target or target not in new}
    found |= {name: name for name in new if name in targets and name not in found}
    for name in new:
        target = alias(name, own)
        if target != name and name not in found and target not in found.values():
            found[name] = target
    return found


def in_order(rows: pa.Table) -> list[str]:
    """The names of rows of `scalars`, in the order in which they come."""
    names: list[str] = pc.unique(rows["name"]).to_pylist()
    return names


def renamed(rows: pa.Table, names: Names) -> pa.Table:
    """Rows of `scalars` under the names that they are stored under."""
    return with_texts(with_codes(rows, names)) if rows.num_rows and names else rows


def with_codes(rows: pa.Table, names: Names) -> pa.Table:
    """The same with each name as its place among those that there are, which is a fraction of the size."""
    encoded = rows["name"].combine_chunks().dictionary_encode()
    words = pa.array([names.get(name, name) for name in encoded.dictionary.to_pylist()], pa.string())
    return _with_name(rows, pa.DictionaryArray.from_arrays(encoded.indices, words))


def with_texts(rows: pa.Table) -> pa.Table:
    """Rows of `with_codes` as they are stored."""
    return _with_name(rows, rows["name"].cast(pa.string()))


def _with_name(rows: pa.Table, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index("name"), "name", column)
