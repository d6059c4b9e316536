"""All metrics of some runs as charts in sections: by the part before the slash, or by what they measure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from strobe.views.split_curves import ACCURACIES, LOSSES

KINDS: Final = ("loss", "accuracy", "optimizer", "throughput", "system", "other")
"""In the order of their sections."""

_WORDS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("system", frozenset({"gpu", "cpu", "memory", "mem", "ram", "vram", "disk", "power", "watts", "temperature",
                          "temp", "utilization", "util", "network", "system"})),
    ("optimizer", frozenset({"lr", "learning", "grad", "grads", "gradient", "gradients", "norm", "momentum", "decay",
                             "clip", "clipped", "scale", "update", "updates", "beta1", "beta2", "optimizer"})),
    ("loss", frozenset({"loss", "losses", "nll", "perplexity", "ppl", "bpb", "bpc", "entropy", "mse", "mae", "rmse",
                        "error", "kl", "elbo"})),
    ("accuracy", frozenset({"accuracy", "acc", "f1", "auc", "precision", "recall", "bleu", "rouge", "score", "match",
                            "reward", "top1", "top5", "correct"})),
    ("throughput", frozenset({"throughput", "second", "seconds", "sec", "ms", "s", "speed", "mfu", "flops", "tflops",
                              "time", "duration", "tps", "latency"})),
)  # fmt: skip
"""Kind -> the words of a name that tell it, the first that has one. "loss_scale" is the optimizer's."""

_PAIRS: Final = {
    "loss": ("Loss", LOSSES),
    "accuracy": ("Accuracy", ACCURACIES),
}
"""Key -> the title of a chart of both splits, and its metrics."""

_WORD: Final = re.compile(r"[a-z]+[0-9]*")
_NUMBER: Final = re.compile(r"([0-9]{1,15})")

DECADE: Final = 10.0
"""A log axis says more than a linear one from so many times the least value on."""


def kind_of(name: str) -> str:
    """What a metric measures, by the words of its name: one of KINDS."""
    words = _WORD.findall(name.lower())
    return next((kind for kind, known in _WORDS if not known.isdisjoint(words)), "other")


@dataclass(frozen=True)
class MetricChart:
    """One chart of the grid; `log` is the scale to begin with."""

    key: str
    title: str
    section: str
    kind: str
    metrics: tuple[str, ...]
    points: int
    """Of its longest series."""
    log: bool

    @property
    def quantity(self) -> str:
        """What its y axis has, without the unit."""
        return self.key if self.splits else self.metrics[0]

    @property
    def splits(self) -> bool:
        """Whether its metrics are one thing, measured on the parts of the data."""
        return self.key in _PAIRS and self.metrics != (self.key,)


def charts_of(catalogue: Iterable[Mapping[str, Any]]) -> list[MetricChart]:
    """A chart for each row of `curve_sql.catalogue` (name, n, low, high), both splits of loss and of accuracy in one;
    in the order in which they are shown: sections with a loss first, then by kind and name, numbers in names as such.
    """
    rows = {str(row["name"]): row for row in catalogue}
    made = []
    for key, (title, metrics) in _PAIRS.items():
        own = tuple(name for name in metrics if name in rows)
        if own:
            made.append(_chart(key, title, own, [rows.pop(name) for name in own]))
    taken = {chart.key for chart in made}
    made += [_chart(f"={name}" if name in taken else name, name, (name,), [row]) for name, row in rows.items()]
    ranks: dict[str, int] = {}
    for chart in made:
        ranks[chart.section] = min(ranks.get(chart.section, len(KINDS)), KINDS.index(chart.kind))
    sections = {name: (rank, name.endswith("/"), _natural(name)) for name, rank in ranks.items()}
    return sorted(made, key=lambda chart: (sections[chart.section], _place(chart)))


def _chart(key: str, title: str, metrics: tuple[str, ...], rows: list[Mapping[str, Any]]) -> MetricChart:
    name = metrics[0]
    kind = kind_of(name)
    prefix, slash, _ = name.partition("/")
    lows, highs = ([row[end] for row in rows if row[end] is not None] for end in ("low", "high"))
    decade = bool(lows) and min(lows) > 0 and max(highs) / min(lows) >= DECADE
    section = prefix + "/" if slash and prefix else kind.capitalize()
    return MetricChart(key, title, section, kind, metrics, max(row["n"] for row in rows), decade and kind == "loss")


def _place(chart: MetricChart) -> tuple[Any, ...]:
    """Within its section."""
    return KINDS.index(chart.kind), chart.key not in _PAIRS, _natural(chart.title)


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Sorts "layer2" before "layer10"."""
    parts = _NUMBER.split(text.lower())
    # The numbers are every second part.
    return [(0, int(part), "") if k % 2 else (1, 0, part) for k, part in enumerate(parts) if part]
