"""The charts of a grid: which metrics share one, and in which section and order they stand."""

from __future__ import annotations

import pytest

from strobe.views.metric_sections import charts_of, kind_of


def row(name: str, low: float | None = 1.0, high: float | None = 2.0, n: int = 3) -> dict[str, object]:
    return {"name": name, "n": n, "low": low, "high": high}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("val_loss", "loss"), ("eval/loss", "loss"), ("train/perplexity", "loss"), ("top1", "accuracy"),
        ("eval/f1", "accuracy"), ("learning_rate", "optimizer"), ("lr", "optimizer"),
        ("train/grad_norm", "optimizer"),
        ("loss_scale", "optimizer"), ("tokens_per_second", "throughput"), ("recorder_ms", "throughput"),
        ("gpu/memory_gb", "system"), ("System/CPU", "system"), ("anything", "other"), ("glossary", "other"),
        ("", "other"),
    ],
)  # fmt: skip
def test_the_words_of_a_name_tell_its_kind(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_both_splits_share_a_chart() -> None:
    loss, accuracy, other = charts_of([row("train_loss"), row("val_accuracy"), row("val_loss"), row("x")])
    assert (loss.key, loss.title, loss.metrics) == ("loss", "Loss", ("val_loss", "train_loss"))
    assert (accuracy.key, accuracy.metrics, accuracy.quantity) == ("accuracy", ("val_accuracy",), "accuracy")
    assert (other.key, other.metrics, other.quantity) == ("x", ("x",), "x")


def test_a_metric_that_is_called_as_a_pair_keeps_a_chart_of_its_own() -> None:
    assert {chart.key: chart.metrics for chart in charts_of([row("loss"), row("val_loss")])} == {
        "loss": ("val_loss",), "=loss": ("loss",),
    }  # fmt: skip
    assert [chart.key for chart in charts_of([row("loss")])] == ["loss"]


def test_sections_with_a_loss_come_first_and_numbers_count_as_such() -> None:
    names = [
        "layer10/norm",
        "layer2/norm",
        "gpu",
        "eval/loss",
        "val_loss",
        "eval/accuracy",
        "eval/a10",
        "eval/a9",
        "z",
    ]
    made = charts_of([row(name) for name in names])
    assert list(dict.fromkeys(chart.section for chart in made)) == [
        "Loss", "eval/", "layer2/", "layer10/", "System", "Other",
    ]  # fmt: skip
    own = [chart.key for chart in made if chart.section == "eval/"]
    assert own == ["eval/loss", "eval/accuracy", "eval/a9", "eval/a10"]


@pytest.mark.parametrize(
    ("name", "low", "high", "log"),
    [
        ("val_loss", 0.1, 5.0, True), ("val_loss", 1.0, 5.0, False), ("val_loss", 0.0, 5.0, False),
        ("val_loss", None, None, False), ("lr", 1e-6, 1.0, False),
    ],
)  # fmt: skip
def test_a_loss_over_a_decade_begins_on_a_log_axis(name: str, low: float, high: float, log: bool) -> None:
    assert charts_of([row(name, low, high)])[0].log is log
