"""Planted runs of every kind, and what is said of each: does it grok, and if not, why not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from strobe.analysis.onset_answer import Answer, Onset
from strobe.derive.milestones import chance, milestones, onsets
from tests.support.duck import cursor

STEPS = np.arange(0, 10_001, 100)
P97 = {"kind": "modular_addition", "modulus": 97}

Query = Callable[[str], pa.Table]


def rising(middle: float, width: float = 60, low: float = 0.01, high: float = 1.0) -> np.ndarray[Any, Any]:
    """An accuracy at STEPS that rises from `low` to `high` round step `middle`."""
    return low + (high - low) / (1 + np.exp(np.clip(-(STEPS - middle) / width, -700, 700)))


def where(condition: np.ndarray[Any, Any], value: float, other: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.where(condition, value, other)


FITS = rising(500)
GROKS = rising(6000)
FLAT = np.full(len(STEPS), 0.01)
UNSEEN = np.full(len(STEPS), np.nan)


def run(train: Any = FITS, val: Any = GROKS, **more: Any) -> dict[str, Any]:
    """A run with these accuracies at STEPS; `status`, `task` and `other` metrics besides. None: not recorded."""
    return {"train_accuracy": train, "val_accuracy": val, "status": "finished", "task": P97, "other": {}} | more


def noisy(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.clip(values + 0.02 * np.random.default_rng(0).standard_normal(len(values)) * (values < 0.9), 0, 1)


def only_every(steps: int, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.where(STEPS % steps == 0, values, np.nan)


PLANTED: dict[str, tuple[dict[str, Any], Answer, str]] = {
    "groks": (
        run(), Answer.GROKKED,
        "at step 6,300; the training set was known from step 800, when validation accuracy was 0.01.",
    ),
    "groks noisily": (
        run(noisy(FITS), noisy(GROKS)), Answer.GROKKED,
        "at step 6,300; the training set was known from step 800, when validation accuracy was 0.",
    ),
    "groks with three evaluations left": (
        run(val=where(STEPS>=9700,1.0,FLAT)), Answer.GROKKED,
        "at step 9,700; the training set was known from step 800, when validation accuracy was 0.01.",
    ),
    "ends two evaluations too early": (
        run(val=where(STEPS>=9800,1.0,FLAT)), Answer.UNFINISHED,
        "none (unfinished): validation accuracy first reached 0.99 at step 9,800, 2 evaluations before the "
        "end, and at least 3 are needed.",
    ),
    "ends as it gets there": (
        run(val=where(STEPS>=10000,1.0,FLAT)), Answer.UNFINISHED,
        "none (unfinished): validation accuracy first reached 0.99 at step 10,000, 0 evaluations before "
        "the end, and at least 3 are needed.",
    ),
    "learns both together": (
        run(val=rising(600)), Answer.TOGETHER,
        "none (learned together): validation accuracy was already 0.966 at step 800 when train accuracy "
        "reached 0.99 at step 800 (halfway from chance, 0.0103, to 0.99 is 0.5), and holds 0.99 from step "
        "900.",
    ),
    "learns validation a little later": (
        run(rising(4000), rising(4600)), Answer.TOGETHER,
        "none (learned together): validation accuracy holds 0.99 from step 4,900, 600 steps after train "
        "accuracy reached it, and 20% of the steps so far would be 980.",
    ),
    "learns validation first": (
        run(rising(4000), rising(2000)), Answer.TOGETHER,
        "none (learned together): validation accuracy was already 1 at step 4,300 when train accuracy "
        "reached 0.99 at step 4,300 (halfway from chance, 0.0103, to 0.99 is 0.5), and holds 0.99 from "
        "step 2,300.",
    ),
    "has most of validation when it fits": (
        run(val=rising(6000, low=0.6)), Answer.TOGETHER,
        "none (learned together): validation accuracy was already 0.6 at step 800 when train accuracy "
        "reached 0.99 at step 800 (halfway from chance, 0.0103, to 0.99 is 0.5), and holds 0.99 from step "
        "6,300.",
    ),
    "is pretrained": (
        run(np.ones(len(STEPS)), np.ones(len(STEPS))), Answer.STARTED,
        "none (started learned): train accuracy is 1 and validation accuracy 1 where the log begins, at "
        "step 0.",
    ),
    "is pretrained on the training set": (
        run(np.ones(len(STEPS))), Answer.GROKKED,
        "at step 6,300; the training set was known from step 0, when validation accuracy was 0.01.",
    ),
    "logs percentages": (
        run(100*FITS,100*GROKS), Answer.GROKKED,
        "at step 6,300; the training set was known from step 800, when validation accuracy was 0.01. The "
        "accuracies are percentages, read as shares.",
    ),
    "logs percentages and stays at chance": (
        run(100*FITS,88*FLAT), Answer.NEVER,
        "none (never reached): train accuracy reached 0.99 at step 800, and from then on validation "
        "accuracy is at most 0.0088 at step 800. The accuracies are percentages, read as shares.",
    ),
    "logs train in percent and validation as a share": (
        run(100*FITS,GROKS), Answer.SCALE,
        "none (scale not clear): train accuracy goes up to 100 and validation accuracy to 1, which is "
        "either all or 1%.",
    ),
    "logs more than everything": (
        run(FITS*1.3,GROKS), Answer.SCALE,
        "none (scale not clear): accuracies go up to 1.3: more than a share can be, and hardly percentages.",
    ),
    "logs more than 100 percent": (
        run(FITS*130,GROKS*100), Answer.SCALE,
        "none (scale not clear): accuracies go up to 130, beyond 100%.",
    ),
    "logs negative accuracies": (
        run(FITS-.1,GROKS), Answer.SCALE,
        "none (scale not clear): accuracies go down to -0.08976, and neither a share nor a percentage is "
        "negative.",
    ),
    "relapses after its onset": (
        run(val=where((STEPS>8000)&(STEPS<8400),.7,GROKS)), Answer.GROKKED,
        "at step 6,300; the training set was known from step 800, when validation accuracy was 0.01. It "
        "relapses once, at step 8,100.",
    ),
    "never holds it": (
        run(val=where((STEPS//100)%7==0,.8,GROKS)), Answer.RELAPSED,
        "none (relapsed): validation accuracy first reached 0.99 at step 6,400, fell to 0.8 at step 7,000, "
        "and never held it for 10 evaluations more (at most 5).",
    ),
    "reaches it once": (
        run(val=where(STEPS==7000,1.0,FLAT)), Answer.RELAPSED,
        "none (relapsed): validation accuracy first reached 0.99 at step 7,000, fell to 0.01 at step "
        "7,100, and never held it for 10 evaluations more (at most 0).",
    ),
    "never generalises": (
        run(val=rising(6000,high=.41)), Answer.NEVER,
        "none (never reached): train accuracy reached 0.99 at step 800, and from then on validation "
        "accuracy is at most 0.41 at step 8,300.",
    ),
    "never fits": (
        run(rising(500,high=.62),FLAT), Answer.TRAIN_NEVER,
        "none (train never learned): train accuracy is at most 0.62 (step 2,800), and 0.99 is needed.",
    ),
    "never fits but generalises": (
        run(rising(500,high=.97)), Answer.TRAIN_NEVER,
        "none (train never learned): train accuracy is at most 0.97 (step 2,800), and 0.99 is needed, "
        "though validation accuracy is 1 at step 8,300.",
    ),
    "is still running": (
        run(val=rising(6000,high=.41),status="running"), Answer.UNFINISHED,
        "none (unfinished): train accuracy reached 0.99 at step 800, and from then on validation accuracy "
        "is at most 0.41 at step 8,300; the run is still running at step 10,000.",
    ),
    "was interrupted before it fits": (
        run(rising(500,high=.62),FLAT,status="interrupted"), Answer.UNFINISHED,
        "none (unfinished): train accuracy is at most 0.62 (step 2,800), and 0.99 is needed; the run was "
        "interrupted at step 10,000.",
    ),
    "failed": (
        run(val=FLAT,status="failed"), Answer.UNFINISHED,
        "none (unfinished): train accuracy reached 0.99 at step 800, and from then on validation accuracy "
        "is at most 0.01 at step 800; the run failed at step 10,000.",
    ),
    "logs losses only": (
        run(None,None,other={"train_loss":FITS,"val_loss":FITS}), Answer.NOT_RECORDED,
        "none (not recorded): its log has no train_accuracy and no val_accuracy; its 2 metrics are no "
        "accuracies.",
    ),
    "logs nothing": (
        run(None,None), Answer.NOT_RECORDED,
        "none (not recorded): its log has no train_accuracy and no val_accuracy.",
    ),
    "logs no validation": (
        run(val=None), Answer.NOT_RECORDED,
        "none (not recorded): its log has no val_accuracy.",
    ),
    "logs no train accuracy": (
        run(train=None), Answer.NOT_RECORDED,
        "none (not recorded): its log has no train_accuracy.",
    ),
    "uses other names": (
        run(None,None,other={"acc/train":FITS,"evalAccuracy":GROKS}), Answer.OTHER_NAME,
        "none (under another name): its log has acc/train in place of train_accuracy and evalAccuracy in "
        "place of val_accuracy.",
    ),
    "uses another name for validation": (
        run(val=None,other={"test_acc":GROKS}), Answer.OTHER_NAME,
        "none (under another name): its log has test_acc in place of val_accuracy.",
    ),
    "logs one accuracy": (
        run(None,None,other={"accuracy":FITS}), Answer.NOT_RECORDED,
        "none (not recorded): its log has no train_accuracy and no val_accuracy; accuracy does not say of "
        "which split it is.",
    ),
    "evaluates once": (
        run(val=where(STEPS==10000,1.0,UNSEEN)), Answer.TOO_FEW,
        "none (too few evaluations): 1 evaluation of validation accuracy (highest 1 at step 10,000), and "
        "at least 4 are needed.",
    ),
    "evaluates three times": (
        run(val=only_every(4000,GROKS)), Answer.TOO_FEW,
        "none (too few evaluations): 3 evaluations of validation accuracy (highest 1 at step 8,000), and "
        "at least 4 are needed.",
    ),
    "evaluates too seldom": (
        run(val=only_every(2000,GROKS)), Answer.UNFINISHED,
        "none (unfinished): validation accuracy first reached 0.99 at step 8,000, 1 evaluation before the "
        "end, and at least 3 are needed.",
    ),
    "evaluates between fitting and learning only once": (
        run(val=only_every(2000,rising(3000))), Answer.TOO_FEW,
        "none (too few evaluations): train accuracy reached 0.99 at step 800 and validation accuracy at "
        "step 4,000, with 1 evaluation of validation accuracy between, where at least 3 are needed.",
    ),
    "is first evaluated late": (
        run(val=where(STEPS<3000,np.nan,rising(2000))), Answer.TOO_FEW,
        "none (too few evaluations): train accuracy reached 0.99 at step 800, and validation accuracy was "
        "first evaluated at step 3,000.",
    ),
    "is not a number for a while": (
        run(val=where((STEPS>2000)&(STEPS<5000),np.nan,GROKS),write_nan=True), Answer.GROKKED,
        "at step 6,300; the training set was known from step 800, when validation accuracy was 0.01. 29 "
        "evaluations of validation accuracy are not finite.",
    ),
    "ends in not a number": (
        run(val=where(STEPS>4000,np.nan,rising(6000,1000)),write_nan=True), Answer.NEVER,
        "none (never reached): train accuracy reached 0.99 at step 800, and from then on validation "
        "accuracy is at most 0.128 at step 4,000. 60 evaluations of validation accuracy are not finite.",
    ),
    "is never a number": (
        run(val=UNSEEN,write_nan=True), Answer.NOT_RECORDED,
        "none (not recorded): validation accuracy is never a finite number.",
    ),
    "was resumed late": (
        run(val=rising(6_000),steps=STEPS+50_000), Answer.GROKKED,
        "at step 56,300; the training set was known from step 50,800, when validation accuracy was 0.01.",
    ),
    "classifies into two": (
        run(val=rising(6000,low=.5),task={"classes":2}), Answer.GROKKED,
        "at step 6,300; the training set was known from step 800, when validation accuracy was 0.5.",
    ),
    "has an unknown task": (
        run(val=rising(6000,low=.5),task={}), Answer.TOGETHER,
        "none (learned together): validation accuracy was already 0.5 at step 800 when train accuracy "
        "reached 0.99 at step 800 (halfway from chance, not known and taken as 0, to 0.99 is 0.495), and "
        "holds 0.99 from step 6,300.",
    ),
    "fits at the last evaluation": (
        run(train=where(STEPS==10000,1.0,FLAT),val=FLAT), Answer.UNFINISHED,
        "none (unfinished): train accuracy reached 0.99 at step 10,000, and from then on validation "
        "accuracy is at most 0.01 at step 10,000; 1 evaluation from there on, and at least 4 are needed.",
    ),
}  # fmt: skip
"""A run -> what the rule answers, and how that is put after "Grokking onset"."""


def store(runs: Mapping[str, dict[str, Any]]) -> Query:
    """The tables `runs`, `metrics` and `scalars` as an ingest would leave them."""
    rows: dict[str, list[Any]] = {"run": [], "name": [], "step": [], "value": []}
    for name, planted in runs.items():
        metrics = {key: planted[key] for key in ("train_accuracy", "val_accuracy")} | planted["other"]
        for metric, values in metrics.items():
            for step, value in zip(planted.get("steps", STEPS), () if values is None else values, strict=False):
                if not np.isnan(value) or planted.get("write_nan"):
                    for column, cell in zip(rows.values(), (name, metric, step, value), strict=True):
                        column.append(cell)
    about = {
        "run": list(runs), "status": [planted["status"] for planted in runs.values()],
        "config": [json.dumps({"task": planted["task"]}) for planted in runs.values()],
    }  # fmt: skip
    connection = cursor()
    connection.register("scalars", pa.table(rows, pa.schema(
        [("run", pa.string()), ("name", pa.string()), ("step", pa.int64()), ("value", pa.float64())]
    )))  # fmt: skip
    connection.register("runs", pa.table(about))
    connection.execute(
        "CREATE TEMP TABLE metrics AS SELECT run, name, count(*) FILTER (NOT isfinite(value)) AS nonfinite "
        "FROM scalars GROUP BY ALL"
    )
    return lambda sql: connection.sql(sql).to_arrow_table()


def found(planted: dict[str, Any]) -> Onset:
    return milestones(store({"r": planted}), "r").onset


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_run_is_answered_as_a_person_would(name: str) -> None:
    planted, answer, words = PLANTED[name]
    onset = found(planted)
    assert (onset.answer, onset.sentence) == (answer, f"Grokking onset{'' if onset.step else ':'} {words}")
    assert (onset.step is None) == (answer is not Answer.GROKKED) == bool(onset.reason)


def test_all_runs_at_once_are_answered_as_each_is() -> None:
    planted = {name.replace(" ", "-"): case[0] for name, case in PLANTED.items()}
    answered = onsets(store(planted))
    assert answered == {name: found(case) for name, case in planted.items()}
    # Whether tables can be read is no matter of what they hold.
    assert {onset.answer for onset in answered.values()} == set(Answer) - {Answer.DAMAGED}


def test_a_run_that_is_not_there_recorded_nothing() -> None:
    none = milestones(store({"r": run()}), "no' OR 'such")
    assert (none.onset.answer, none.peak) == (Answer.NOT_RECORDED, None)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (json.dumps({"task": P97}), 1 / 97), (json.dumps({"task": {"classes": 10}}), 0.1),
        (json.dumps({"task": {"kind": "text"}}), None), (json.dumps({"task": {"classes": "10"}}), None),
        (json.dumps({"task": {"kind": "sorting", "modulus": 5}}), None), (json.dumps({"task": None}), None),
        ("[]", None), ("not JSON", None), (None, None), (json.dumps({"task": {"classes": 1}}), None),
    ],
)  # fmt: skip
def test_chance_is_known_from_the_task_or_not_at_all(config: str | None, expected: float | None) -> None:
    assert chance(config) == expected
