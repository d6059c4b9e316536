"""Why something cannot be shown of a run, said after looking at what it has."""

from __future__ import annotations

from collections.abc import Sequence

from etl.checkpoints.run import CheckpointRun
from strobe.views.run_view import RunView, literal
from strobe.views.words import visible

_MOST_NAMED = 8


def why_missing(view: RunView, what: str, *sections: str, needs: str = "") -> str:
    """Why `what`, which stands in one of `sections` of the snapshots, is not there, as a sentence. `needs` says what
    among the tensors of a section is meant, where not every one will do.

    It looks, in this order, for snapshots, for their folder, for arrays of the sections, and for statistics of them:
    those remain where a recorder kept nothing else, or arrays were thinned away.
    """
    if not view.steps:
        return f"This run has no snapshots, so there {_is(what)} no {what} to show."
    snapshots = view.snapshots()
    if snapshots is None or not snapshots.current():
        return (
            f"The snapshots of this run are not where they were, so there {_is(what)} no {what} to show. Put "
            f"its folder back, or ingest it from where it is now; `strobe show {view.run}` names the folder."
        )
    there = _sections(view)
    named = " or ".join(f"“{section}”" for section in sections)
    if own := [section for section in sections if section in there]:
        count = sum(there[section] for section in own)
        some = f"none of the {count:,} tensors" if count > 1 else "not the one tensor"
        meant = f" ({needs})" if needs else ""
        return f"This run has no {what} to show: {some} of the section {named} is one{meant}."
    if measured := _measured(view, sections):
        many = f"{measured:,} tensor{'' if measured == 1 else 's'}"
        return (
            f"This run keeps statistics of {many} of the section {named} and not their values, so there {_is(what)} "
            f"no {what} to show. Curves and Health show the statistics."
        )
    if isinstance(snapshots, CheckpointRun):
        return f"This run is made of checkpoints, which hold a model's parameters and nothing of a step: no {what}."
    return f"This run recorded no {what}: its snapshots have no section {named}; they hold {_held(there)}."


def _is(what: str) -> str:
    """Gradients are, attention is."""
    return "are" if what.partition(" of ")[0].endswith("s") else "is"


def _sections(view: RunView) -> dict[str, int]:
    """How many tensors with values the snapshots have, by section."""
    found: dict[str, int] = {}
    for entry in view.tensor_entries():
        if "missing" not in entry:
            found[entry["section"]] = found.get(entry["section"], 0) + 1
    return found


def _measured(view: RunView, sections: Sequence[str]) -> int:
    """Of how many tensors of the sections the tables have statistics."""
    names = ", ".join(map(literal, sections))
    rows = view.rows(f"""SELECT count(DISTINCT (section, tensor, layer)) AS n FROM tensors
WHERE run = {literal(view.run)} AND section IN ({names})""")
    return int(rows[0]["n"])


def _held(there: dict[str, int]) -> str:
    names = [visible(section, 40) for section in there]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more or "no tensors"
