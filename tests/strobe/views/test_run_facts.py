"""What is known of a run, as people say it."""

from __future__ import annotations

import time
from typing import Any

from strobe.views.run_facts import date, told

ROW: dict[str, Any] = {
    "run": "a", "name": "The paper's", "task": "modular_addition", "source": "snapshots", "status": "finished",
    "created_at": 1e9, "ended_at": 1e9 + 11_520, "steps": 14_000, "attempts": 2, "n_params": 222_080, "n_layer": 1,
    "n_head": 4, "n_embd": 128, "vocab_size": None, "tokens_per_step": None, "optimal_tokens": None, "device": "cpu",
    "peak_flops": 1.25e13, "config": '{"training": {"lr": 0.001, "names": "' + "x" * 200 + '", "bias": false}}',
    "reduced": '{"snapshots_kept": 2, "snapshots_recorded": 9}', "snapshots_path": None,
}  # fmt: skip
NOTHING: dict[str, Any] = {"tags": [], "note": "", "archived": False}


def test_dates_sizes_and_words() -> None:
    facts = dict(told(ROW, None, NOTHING))
    assert facts["created"].startswith(date(1e9))
    assert facts["ended"].endswith(", after 3 h 12 min")
    assert facts["parameters"] == "222,080 (222 K)"
    assert facts["model"] == "1 layer, 4 heads, 128 wide"
    assert facts["attempts"] == "2: it was resumed"
    assert facts["peak"] == "12.5 TFLOP/s"
    assert facts["thinned"] == "2 of 9 snapshots"
    assert (facts["name"], facts["task"], facts["status"]) == ("The paper's", "modular addition", "finished")


def test_settings_are_a_line_each_and_cut_where_they_are_long() -> None:
    facts = dict(told(ROW, None, NOTHING))
    assert (facts["training.lr"], facts["training.bias"]) == ("0.001", "false")
    assert len(facts["training.names"]) == 100


def test_a_diverged_run_says_since_when_and_what_people_said_follows() -> None:
    facts = dict(told(ROW, 1_240, {"tags": ["a", "b"], "note": "hm", "archived": True}, "2 files lost"))
    assert facts["status"] == "diverged at step 1,240 (a loss is no number from there on); finished; 2 files lost"
    assert (facts["tags"], facts["note"], facts["archived"]) == ("a, b", "hm", "yes; lists leave it out")


def test_what_is_not_known_is_not_said() -> None:
    empty = dict.fromkeys(ROW) | {"run": "a"}
    assert told(empty, None, NOTHING) == [("run", "a"), ("status", "unknown")]
    assert "just now" in dict(told({**empty, "created_at": time.time()}, None, NOTHING))["created"]
