"""Head scores over training: one of them, for every head."""

from __future__ import annotations

from typing import Final

from strobe.charts.curves import numbered
from strobe.ui.attention import frames
from strobe.ui.panel import choice, derived, panel
from strobe.ui.panel.marks import step_marks
from strobe.ui.shell import address
from strobe.ui.shell.cache import slowly_cached_by_run
from strobe.views import head_scores
from strobe.views.head_scores import SCORES, ComputedScores
from strobe.views.run_view import Answer, RunView
from strobe.views.words import size

_FROM_A_PASS: Final = " Attention was not recorded: computed by a forward pass of each snapshot's own parameters."

_computed = slowly_cached_by_run("Scoring heads …")(head_scores.computed)


def scores(view: RunView) -> None:
    """One score of every head over training: stored ones, or computed from the snapshots where there are none."""
    with panel.head("scores"):
        panel.title("Heads over training")
        score = choice.select(
            "score", "Score", list(SCORES), "previous_token", words=lambda name: SCORES[name][0], width=200
        )
    answer, remark = _scores(view, score)
    if not answer.table.num_rows:
        panel.caption(head_scores.why_none(view))
        return
    if all(value is None for value in answer.table["value"].to_pylist()):
        why = head_scores.why_undefined(view, score)
        panel.caption(f"{SCORES[score][0]}: not defined for this run, since {why}.")
        return
    _draw(view, answer, SCORES[score][0].lower(), f"Mean over the probe sequences: {SCORES[score][1]}.{remark}")


def _draw(view: RunView, answer: Answer, quantity: str, about: str) -> None:
    """The heads as rows, and few of them as lines too."""
    heads = list(dict.fromkeys(answer.table["series"].to_pylist()))
    if len(heads) > 1:
        rows = Answer(answer.sql, answer.table.rename_columns(["row", *answer.table.column_names[1:]]), 0.0)
        derived.grid(
            view,
            "scores_grid", rows, heads, quantity=quantity, row_height=16,
            about=f"{about} Colour on a log scale.",
        )  # fmt: skip
    if len(heads) <= address.MOST_NAMES:
        looks = {name: numbered(name, k) for k, name in enumerate(heads)}
        derived.lines(
            view,
            "scores_lines", answer, looks, y_title=quantity, height=260, marks=step_marks(view),
            about="The same as lines." if len(heads) > 1 else about,
        )  # fmt: skip


def _scores(view: RunView, score: str) -> tuple[Answer, str]:
    """One score, and what there is to say about where it comes from."""
    answer, recorded = head_scores.stored(view, score), frames.recorded(view)
    if recorded is None:
        # Tables may have come without their snapshots, which alone tell.
        return answer, _FROM_A_PASS if view.tensor_entries() else ""
    if answer.table.num_rows:
        return answer, ""
    made = _computed(view, recorded)
    return made.of(score), _remark(view, made)


def _remark(view: RunView, made: ComputedScores) -> str:
    total = len(view.steps)
    some = f"{made.snapshots:,} of {total:,}" if made.snapshots < total else f"all {made.snapshots:,}"
    probes = f", the first {made.probes} of {made.recorded} probe sequences" if made.probes < made.recorded else ""
    return (
        f" Computed now from {some} snapshots{probes} ({size(made.bytes_read)} read): `strobe analyze {view.run}` "
        "computes and stores all."
    )
