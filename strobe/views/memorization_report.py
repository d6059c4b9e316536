"""What a memorization study found, in sentences: the same on the page, in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from strobe.analysis.memorization.findings import CANNOT_TELL, FOUND, NOT_FOUND
from strobe.analysis.memorization.separation import LEVEL
from strobe.views.memorization import GROUPS, Study
from strobe.views.words import number

NEAR: Final = 0.05
"""How far from chance an accuracy may lie, interval and all, to be called near it."""
_ORDER: Final = (
    ("reproduction", "Reproduction"),
    ("separation", "Trained against novel passages, layer by layer"),
    ("best layer", "The layer in which the groups differ most"),
    ("change", "Compression of trained passages: first against last epoch"),
    ("bend", "Whether its way bends"),
    ("shape", "Its shape, by rule"),
    ("onset", "Compression at first, and when a passage is memorized"),
    ("prediction", "Compression at first, and who is memorized in the end"),
    ("early and late", "Compression at the first and at the last epoch"),
)
RULE: Final = (
    f"“Found” is a p of at most {LEVEL:g} after Holm's correction over every test of the study. “Not found” is no "
    "proof that there is nothing. Intervals are 95% and not corrected."
)


def lead(shown: Study) -> str:
    """What was reproduced, and how many tests survived, in three sentences."""
    first, last = shown.epochs[0], shown.epochs[-1]
    accuracy, begun = shown.accuracy("trained")[-1], shown.accuracy("trained")[0]
    known, many = shown.memorized("trained")[-1], int(shown.group("trained").sum())
    before = f", from {number(float(begun))} at epoch {first}" if first != last else ""
    text = f"At epoch {last}, {known} of {many} trained passages are memorized (accuracy {number(float(accuracy))}"
    return f"{text}{before}). {_novel(shown)} {survival(shown)}"


def _novel(shown: Study) -> str:
    many, known = int(shown.group("novel").sum()), int(shown.memorized("novel")[-1])
    accuracy, chance = (float(of("novel")[-1]) for of in (shown.accuracy, shown.chance))
    text = f"Of {many} novel ones {known or 'none'} {'are' if known > 1 else 'is'}"
    return f"{text} (accuracy {number(accuracy)}, {near_chance(shown)} of {number(chance)})."


def near_chance(shown: Study) -> str:
    """How the novel group stands to chance: near it only where the interval of the difference is."""
    row = next((row for row in shown.of("reproduction") if row["subject"].startswith("novel against")), None)
    if row is None or row["low"] is None:
        return "beside a chance"
    if max(abs(row["low"]), abs(row["high"])) <= NEAR:
        return "near the chance"
    return "above the chance" if row["low"] > 0 else "below the chance" if row["high"] < 0 else "beside a chance"


def survival(shown: Study) -> str:
    """How many tests were made and how many count."""
    kept = len(shown.survived)
    return f"{kept or 'None'} of {shown.tests} tests survive{'s' if kept == 1 else ''} correction."


def words(row: dict[str, Any]) -> str:
    """One finding: its subject, effect with interval, p, verdict."""
    if row["analysis"] == "shape":
        return f"{row['subject']}: {row['verdict']}{_vertex(row)}"
    if row["verdict"] == CANNOT_TELL:
        return f"{row['subject']}: cannot tell ({row['note']})"
    held = f" [{number(row['low'])}, {number(row['high'])}]" if row["low"] is not None else ""
    p = f"p {number(row['p'], 2)}, corrected {number(row['p_corrected'], 2)}"
    return f"{row['subject']}: {number(row['effect'])}{held} {row['unit']}; {p}; {row['verdict']}"


def _vertex(row: dict[str, Any]) -> str:
    if row["verdict"] in ("U", "inverted U"):
        held = f" [{number(row['low'])}, {number(row['high'])}]" if row["low"] is not None else ""
        return f", vertex at epoch {number(row['effect'])}{held}, R² {number(row['statistic'])}"
    return f" ({row['note'].partition(';')[0]})" if row["verdict"] == CANNOT_TELL else ""


def sections(shown: Study) -> Iterator[tuple[str, str, Sequence[dict[str, Any]]]]:
    """(title, a sentence, the findings) of each analysis that was made."""
    for analysis, title in _ORDER:
        if rows := shown.of(analysis):
            yield title, _counted(rows), rows


def _counted(rows: Sequence[dict[str, Any]]) -> str:
    verdicts = [row["verdict"] for row in rows]
    if rows[0]["analysis"] == "shape":
        kinds = {kind: verdicts.count(kind) for kind in dict.fromkeys(verdicts)}
        return "; ".join(f"{kind} in {count} of {len(rows)} layers" for kind, count in kinds.items()) + "."
    counts = ((FOUND, "found"), (NOT_FOUND, "not found"), (CANNOT_TELL, "cannot tell"))
    return ", ".join(f"{verdicts.count(kind)} {word}" for kind, word in counts if kind in verdicts) + "."


def markdown(shown: Study) -> str:
    """The whole report."""
    own, other = (int(shown.group(name).sum()) for name in GROUPS)
    lines = [
        f"# Memorization study {shown.run}", "", lead(shown), "",
        f"{own} trained and {other} novel passages, measured at epochs {', '.join(map(str, shown.epochs))}; "
        f"{shown.layers} layers with a compression score. {RULE}", "", "## Over the epochs", "",
        *_table(shown), "", "## What survived", "",
        *([f"- {row['analysis']}: {words(row)}" for row in shown.survived] or ["Nothing."]), "",
    ]  # fmt: skip
    for title, counted, rows in sections(shown):
        lines += [f"## {title}", "", counted, "", *(f"- {words(row)}" for row in rows), ""]
    return "\n".join(lines)


def _table(shown: Study) -> list[str]:
    lines = [
        "| epoch | trained: accuracy | memorized | compression | novel: accuracy | memorized | compression "
        "| chance |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for k, epoch in enumerate(shown.epochs):
        cells = [str(epoch)]
        for name in GROUPS:
            scores = shown.compression(name)[k]
            mean = number(float(np.mean(scores))) if len(scores) else "–"
            cells += [number(float(shown.accuracy(name)[k])), str(shown.memorized(name)[k]), mean]
        lines.append(f"| {' | '.join(cells)} | {number(float(shown.chance('novel')[k]))} |")
    return [*lines, "", "Compression: the mean over layers and passages, nats. Chance: of the novel group."]
