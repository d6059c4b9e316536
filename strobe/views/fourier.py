"""Which frequencies a network that adds modulo p computes with: read from the derived tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from strobe.analysis.fourier import SPECIALISED
from strobe.analysis.phases import DONE, FALL, Phases, phases
from strobe.views.run_view import Answer, RunView, literal
from strobe.views.words import count, number

INCOMPLETE: Final = 2.0
"""From how many times the full loss on the restricted one says that the key frequencies are not all there are."""


def power(view: RunView, site: str = "embedding") -> Answer:
    """row (the frequency as text), step, value: the norm of its sine and cosine components over the model dimension,
    in the order of frequency and step."""
    return view.tables.ask(f"""SELECT frequency::VARCHAR AS row, step, sqrt(sum(value * value)) AS value
FROM fourier WHERE run = {literal(view.run)} AND site = {literal(site)} AND frequency > 0
GROUP BY frequency, step ORDER BY frequency, step""")


def key_frequencies(view: RunView) -> list[int]:
    """Those that specialised neurons of the last analysed snapshot have, ascending."""
    rows = view.rows(f"""SELECT DISTINCT frequency FROM neurons
WHERE run = {literal(view.run)} AND share >= {SPECIALISED}
  AND step = (SELECT max(step) FROM neurons WHERE run = {literal(view.run)})
ORDER BY frequency""")
    return [row["frequency"] for row in rows]


@dataclass(frozen=True)
class End:
    """The last analysed snapshot: how many of its `neurons` are `specialised`, on which keys, and its losses (nats)
    by (measure, split). `unknown` is why the losses of a split are not known; empty where they are."""

    neurons: int
    specialised: int
    keys: list[int]
    losses: dict[tuple[str, str | None], float | None]
    unknown: str = ""

    def sentence(self) -> str:
        """In one or two sentences of numbers."""
        name = "frequency" if len(self.keys) == 1 else "frequencies"
        keys = ", ".join(map(str, self.keys))
        on = f" on {len(self.keys)} key {name}: {keys}." if keys else "; no key frequency."
        special = f"{count(self.specialised)} of {count(self.neurons)} neurons specialise"
        text = f"{special} (share at least {SPECIALISED}){on}"
        if not self.keys:
            return text
        text += (
            f" With those alone the loss is {number(self.losses.get(('restricted_loss', 'all')))} nats "
            f"(all of the model: {number(self.losses.get(('full_loss', 'all')))})"
        )
        if self.unknown:
            text = f"{text}, over all inputs. Train and test losses are not known: {self.unknown}."
        else:
            text += f"; without them it is {number(self.losses.get(('excluded_loss', 'train')))} on the training set."
        return text + self._incompleteness()

    def _incompleteness(self) -> str:
        """How much is lost with the keys alone, where that is much."""
        restricted, full = (self.losses.get((name, "all")) for name in ("restricted_loss", "full_loss"))
        if restricted is None or not full or restricted <= INCOMPLETE * full:
            return ""
        return (
            f" The key frequencies are incomplete: with them alone the loss is {number(restricted / full)} "
            f"times that of the whole model (more than {INCOMPLETE:g} times), so it computes with others too, in "
            "which no neuron specialises."
        )


def end(view: RunView) -> End:
    """The last analysed snapshot of a run."""
    run = literal(view.run)
    neurons = view.rows(f"""SELECT count(*) AS n, count(*) FILTER (share >= {SPECIALISED}) AS special
FROM neurons WHERE run = {run}
  AND step = (SELECT max(step) FROM neurons WHERE run = {run})""")[0]
    losses = view.rows(f"""SELECT measure, split, value, note FROM progress
WHERE run = {run} AND frequency IS NULL
  AND step = (SELECT max(step) FROM progress WHERE run = {run})""")
    by_measure = {(row["measure"], row["split"]): row["value"] for row in losses}
    return End(neurons["n"], neurons["special"], key_frequencies(view), by_measure, _unknown(losses))


def _unknown(losses: list[dict[str, Any]]) -> str:
    """Why a split's losses are NULL while those over all inputs are not: its rows are not known."""
    full = {row["split"]: row for row in losses if row["measure"] == "full_loss"}
    split = next((full[name] for name in ("train", "val") if name in full and full[name]["note"]), None)
    return split["note"] if split is not None and "all" in full and full["all"]["note"] is None else ""


def losses(view: RunView) -> Answer:
    """series ("full_loss train", ...), step, value (nats): full, restricted and excluded loss; where the loss of no
    split is known, full_loss and model_loss over all inputs in their place."""
    run = literal(view.run)
    return view.tables.ask(f"""SELECT measure || coalesce(' ' || split, '') AS series, step, value
FROM progress WHERE run = {run} AND frequency IS NULL
  AND ((measure, split) IN (('full_loss', 'train'), ('full_loss', 'val'), ('restricted_loss', 'all'),
                            ('excluded_loss', 'train'))
       OR split = 'all' AND measure IN ('full_loss', 'model_loss') AND NOT EXISTS (
         SELECT 1 FROM progress WHERE run = {run} AND measure = 'full_loss' AND split != 'all' AND value IS NOT NULL))
ORDER BY series, step""")


def excluded_by_key(view: RunView) -> Answer:
    """row (the key frequency as text), step, value (nats): the loss of the train rows without that frequency."""
    return view.tables.ask(f"""SELECT frequency::VARCHAR AS row, step, value FROM progress
WHERE run = {literal(view.run)} AND measure = 'excluded_loss' AND frequency IS NOT NULL
ORDER BY frequency, step""")


def phases_of(view: RunView, fall: float = FALL, done: float = DONE) -> Phases:
    """The phases of grokking by the declared rules; `fall` and `done` are the shares of the test loss's peak at which
    cleanup begins and ends."""
    table = view.tables.ask(f"""SELECT step,
  max(value) FILTER (measure = 'full_loss' AND split = 'train') AS train,
  max(value) FILTER (measure = 'full_loss' AND split = 'val') AS test,
  max(value) FILTER (measure = 'excluded_loss' AND frequency IS NULL) AS excluded,
  max(value) FILTER (measure = 'restricted_loss' AND split = 'all') AS restricted
FROM progress WHERE run = {literal(view.run)} GROUP BY step ORDER BY step""").table
    columns = [table[name].cast("float64").to_numpy() for name in ("step", "train", "test", "excluded", "restricted")]
    return phases(*columns, fall=fall, done=done)


def gini(view: RunView) -> Answer:
    """series ("gini_embedding", "gini_unembedding", "gini_neuron_logit"), step, value: 0 all components alike, near 1
    a few hold all."""
    return view.tables.ask(f"""SELECT measure AS series, step, value FROM progress
WHERE run = {literal(view.run)} AND measure LIKE 'gini%' ORDER BY series, step""")


def squared_weights(view: RunView) -> Answer:
    """series ("sum_of_squared_weights"), step, value."""
    return view.tables.ask(f"""SELECT measure AS series, step, value FROM progress
WHERE run = {literal(view.run)} AND measure = 'sum_of_squared_weights' ORDER BY step""")


def clusters(view: RunView) -> Answer:
    """series (the frequency as text), step, value: how many neurons specialise on it."""
    return view.tables.ask(f"""SELECT n.frequency::VARCHAR AS series, step,
  count(*) FILTER (share >= {SPECIALISED}) AS value
FROM neurons n WHERE run = {literal(view.run)} AND frequency IS NOT NULL
GROUP BY ALL ORDER BY series, step""")


def positive(table: pa.Table) -> pa.Table:
    """The rows whose value is above 0, which a log scale has a place for."""
    import pyarrow.compute as pc

    return table.filter(pc.greater(table["value"], 0))
