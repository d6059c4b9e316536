"""What a spectrum may be said to show: what lies beyond a random one, and whether its tail may be a power law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strobe.analysis.entry_null import SHUFFLES
from strobe.analysis.heavy_tail import LEAST_EIGENVALUES, REPLICATES, RULED_OUT
from strobe.views.matrices import WeightMatrix
from strobe.views.run_view import Answer, RunView
from strobe.views.spectrum import rows_of
from strobe.views.words import number

_RULE = (
    "Edge: what the largest singular value of a random matrix with this bulk exceeds in 1% of cases "
    f"(Marchenko-Pastur, Tracy-Widom), and where any is beyond, at least the largest of {SHUFFLES} shuffles of the "
    "same weights, each over its own such edge."
)


@dataclass(frozen=True)
class Edge:
    """What lies beyond the edge of random entries: `words` with the rule and the count, from the rows of `answer`:
    step, beyond_edge, random_edge, random_sigma, random_ks, bulk_random, note."""

    answer: Answer
    words: str


def edge(view: RunView, matrix: WeightMatrix) -> Edge:
    """The verdict at the last step that has an edge."""
    answer = view.tables.ask(f"""SELECT step, beyond_edge, random_edge, random_sigma, random_ks, bulk_random, note
{rows_of(view, matrix)} ORDER BY step""")
    rows = answer.table.to_pylist()
    known = [row for row in rows if row["random_edge"] is not None]
    if not known:
        return Edge(answer, f"No edge of random entries: {_why(rows)}.")
    told = sum(row["bulk_random"] for row in known)
    often = f"The others pass for random entries at {told:,} of {len(rows):,} snapshots."
    last = "" if rows[-1] is known[-1] else f"At step {rows[-1]['step']:,} it cannot be told: {_why(rows[-1:])}. "
    return Edge(answer, f"{_RULE} {last}{_beyond(known[-1], min(matrix.shape))} {often}")


def _beyond(row: dict[str, Any], total: int) -> str:
    count = f"{row['beyond_edge']:,} of {total:,} {'lies' if row['beyond_edge'] == 1 else 'lie'} beyond it"
    if row["bulk_random"]:
        told = "more than these weights in random order explain" if row["beyond_edge"] else "no sign of structure"
        return f"At step {row['step']:,}, {count}: {told}."
    return (
        f"At step {row['step']:,}, {count}, but the others are not spread as those of random entries (KS distance "
        f"{number(row['random_ks'], 2)}): what stands out from them cannot be told."
    )


@dataclass(frozen=True)
class Tail:
    """step, series ("alpha"), value (NULL where a power law is ruled out), alpha, alpha_p, alpha_ks, alpha_n, note.
    `words` have the rule and the counts; `drawn` says whether there is any exponent to draw."""

    answer: Answer
    words: str
    drawn: bool


def tail(view: RunView, matrix: WeightMatrix) -> Tail:
    """The exponent of the tail of the eigenvalues over training, where there may be a power law."""
    answer = view.tables.ask(f"""SELECT step, 'alpha' AS series,
       CASE WHEN alpha_p >= {RULED_OUT} THEN alpha END AS value, alpha, alpha_p, alpha_ks, alpha_n, note
{rows_of(view, matrix)} ORDER BY step""")
    rows = answer.table.to_pylist()
    fitted = [row for row in rows if row["alpha_p"] is not None]
    if not fitted:
        return Tail(answer, f"No exponent: {_why(rows)}.", drawn=False)
    possible = [row for row in fitted if row["value"] is not None]
    rule = (
        f"Power law fitted to the largest eigenvalues of WᵀW. No power law where p < {RULED_OUT}: p is how often a "
        f"true one fits no better, of {REPLICATES} drawn; so at {len(fitted) - len(possible):,} of {len(fitted):,} "
        "snapshots."
    )
    return Tail(answer, f"{rule} {_last(fitted[-1])}", drawn=bool(possible))


def _last(row: dict[str, Any]) -> str:
    facts = (
        f"p = {number(row['alpha_p'], 2)}, KS distance {number(row['alpha_ks'], 2)}, {row['alpha_n']:,} eigenvalues"
    )
    if row["value"] is None:
        return f"At step {row['step']:,} there is none ({facts})."
    if row["alpha_n"] < LEAST_EIGENVALUES:
        return f"At step {row['step']:,} it cannot be told: so short a tail rules out little ({facts})."
    return f"At step {row['step']:,} it is not ruled out: alpha {number(row['alpha'], 2)} ({facts})."


def _why(rows: list[dict[str, Any]]) -> str:
    notes = dict.fromkeys(row["note"] for row in rows if row["note"])
    return "; ".join(notes) or "not analysed"
