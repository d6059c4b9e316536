"""Whether every tensor of a run learns: the alerts, a sentence, and how gradients and movements spread."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from strobe.analysis.health import CANCELLED, EXPLODING, STILL, STILL_CHECKS, TROUBLE, VANISHING, Kind
from strobe.derive.health_tensors import TROUBLES
from strobe.views.health_moment import FirstNonfinite, first_nonfinite
from strobe.views.run_view import Answer, Tables, literal
from strobe.views.words import count, number, visible

RULE: Final = (
    f"In a snapshot: a weight or a gradient that is not finite; a gradient whose L2 norm is at least {EXPLODING:g} "
    f"(exploding), or at most {VANISHING:g} and not 0 (vanishing), but for that of a bias at most {CANCELLED:g} of "
    f"its weight's, which is rounding; a tensor that moved by at most {STILL:g} of its norm before "
    f"{STILL_CHECKS} snapshots one after another (frozen). What happens between snapshots is not seen."
)
MOST_ALERTS: Final = 1_000
"""Alerts that are listed, the earliest first; all are counted."""
MOST_SEEN: Final = 44
"""Characters of a tensor's name in the table of alerts: a longer one is cut in the middle, not at its end."""
NAMED: Final = 3
"""Tensors that the sentence names of each kind."""


@dataclass(frozen=True)
class Alert:
    """One trouble of one tensor, over all snapshots that have it."""

    tensor: str
    layer: int | None
    section: str
    kind: str
    first_step: int
    last_step: int
    snapshots: int
    value: float | None
    """At the first step: a gradient's L2, or how far a frozen one moved; of what is not finite how many elements."""

    @property
    def name(self) -> str:
        """The tensor and its layer."""
        return self.tensor if self.layer is None else f"{self.tensor}.{self.layer}"

    @property
    def measured(self) -> str:
        """`value` in words: a whole number where it counts elements."""
        counted = self.kind in (Kind.NONFINITE_WEIGHT, Kind.NONFINITE_GRADIENT) and self.value is not None
        return count(int(self.value or 0)) if counted else number(self.value)

    def words(self) -> str:
        """What, and from when to when."""
        until = "" if self.last_step == self.first_step else f" to {count(self.last_step)}"
        times = "" if self.snapshots == 1 else f" ({count(self.snapshots)} snapshots)"
        return f"{visible(self.name)}: {self.kind} at step {count(self.first_step)}{until}{times}"


@dataclass(frozen=True)
class Health:
    """Of one run. `alerts` by first step, at most 1,000 of `found`, of which `troubles` are more than an explanation;
    `troubled` of `tensors` have one, and `frozen` are so on purpose; `gradients`: whether the tables have
    any; `moves`: at how many snapshots a movement was measured."""

    alerts: list[Alert]
    found: int
    troubles: int
    tensors: int
    troubled: int
    frozen: int
    snapshots: int
    gradients: bool
    moves: int
    answer: Answer
    first_nonfinite: FirstNonfinite = field(default_factory=FirstNonfinite)

    def sentence(self) -> str:
        """The state of the run in words, with what could not be looked at."""
        if not self.tensors:
            return "Health: cannot tell, the run has no statistics of tensors, which come from its snapshots."
        of = f"{count(self.tensors)} tensor{'' if self.tensors == 1 else 's'} at {count(self.snapshots)} snapshot"
        of += "" if self.snapshots == 1 else "s"
        if not self.troubled:
            words = f"No trouble in {of}: {'; '.join(self._looked_at())}."
            return self._with_remarks(words)
        worst = "; ".join(alert.words() for alert in self._worst())
        more = f"; and {count(self.troubles - NAMED)} more" if self.troubles > NAMED else ""
        words = f"{count(self.troubled)} of {of} in trouble: {worst}{more}."
        return self._with_remarks(words)

    def _with_remarks(self, words: str) -> str:
        parts = (words, self.first_nonfinite.sentence(), self._frozen())
        return " ".join(filter(None, parts)) + self._not_looked_at()

    def _frozen(self) -> str:
        """What is frozen on purpose, which is no trouble."""
        names = [visible(alert.name, MOST_SEEN) for alert in self.alerts if alert.kind == Kind.NOT_TRAINED]
        if not names:
            return ""
        more = f" and {count(self.frozen - NAMED)} more" if self.frozen > NAMED else ""
        return f"Frozen on purpose (requires_grad=False): {', '.join(names[:NAMED])}{more}."

    def _worst(self) -> list[Alert]:
        troubles = [alert for alert in self.alerts if alert.kind in TROUBLE]
        return sorted(troubles, key=lambda alert: (TROUBLE.index(Kind(alert.kind)), alert.first_step))[:NAMED]

    def _looked_at(self) -> list[str]:
        parts = ["every value is finite"]
        parts += ["no gradient vanishes or explodes"] if self.gradients else []
        parts += ["none is frozen"] if self.moves >= STILL_CHECKS else []
        zero = self.found - self.troubles - self.frozen
        return parts + ([f"{count(zero)} gradient{' is' if zero == 1 else 's are'} zero at times"] if zero else [])

    def _not_looked_at(self) -> str:
        lacks = [] if self.gradients else ["gradients were not recorded"]
        if self.moves < STILL_CHECKS:
            there = f"{'none has' if not self.moves else 'one has' if self.moves == 1 else f'{self.moves} have'} one"
            lacks.append(f"whether one is frozen, which takes movements at {STILL_CHECKS} snapshots, and {there}")
        return f" Not looked at: {'; '.join(lacks)}." if lacks else ""


def alerts_sql(run: str) -> str:
    """Every trouble of every tensor of the run: from when, until when, at how many snapshots."""
    return f"""SELECT tensor, layer, section, kind, min(step) AS first_step, max(step) AS last_step,
  count(*) AS snapshots,
  arg_min(CASE kind WHEN '{Kind.FROZEN}' THEN update_ratio::DOUBLE WHEN '{Kind.NONFINITE_WEIGHT}' THEN nonfinite
    WHEN '{Kind.NONFINITE_GRADIENT}' THEN nonfinite ELSE l2::DOUBLE END, step) AS value,
  count(*) OVER () AS found, count(*) FILTER ({_IS_TROUBLE}) OVER () AS troubles,
  count(DISTINCT (tensor, layer)) FILTER ({_IS_TROUBLE}) OVER () AS troubled,
  count(*) FILTER (kind = '{Kind.NOT_TRAINED}') OVER () AS frozen
FROM ({TROUBLES.replace("$1", literal(run))})
GROUP BY tensor, layer, section, kind
ORDER BY kind = '{Kind.NOT_TRAINED}', first_step, kind, tensor, layer
LIMIT {MOST_ALERTS}"""


_IS_TROUBLE: Final = f"kind NOT IN ('{Kind.ZERO_GRADIENT}', '{Kind.NOT_TRAINED}')"


_COUNTS: Final = ("found", "troubles", "troubled", "frozen")


def _looked_at_sql(run: str) -> str:
    return f"""SELECT count(DISTINCT (tensor, layer)) AS tensors, count(DISTINCT step) AS snapshots,
  bool_or(section = 'grads') AS gradients,
  count(DISTINCT step) FILTER (section = 'params' AND update_ratio IS NOT NULL) AS moves
FROM tensors WHERE run = {literal(run)} AND section IN ('params', 'grads')"""


def health(tables: Tables, run: str) -> Health:
    """Of a run, from its tensors' statistics; no analysis is needed first."""
    answer = tables.ask(alerts_sql(run))
    rows: list[dict[str, Any]] = answer.table.to_pylist()
    found, troubles, troubled, frozen = (rows[0][name] for name in _COUNTS) if rows else (0, 0, 0, 0)
    fields = ("tensor", "layer", "section", "kind", "first_step", "last_step", "snapshots", "value")
    alerts = [Alert(**{name: row[name] for name in fields}) for row in rows]
    (looked,) = tables.ask(_looked_at_sql(run)).table.to_pylist()
    return Health(
        alerts, found, troubles, looked["tensors"], troubled, frozen, looked["snapshots"], bool(looked["gradients"]),
        looked["moves"], answer, first_nonfinite(tables, run),
    )  # fmt: skip
