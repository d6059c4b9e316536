"""What runs have in common and where they differ."""

from __future__ import annotations

import json

from strobe.views.run_differences import MOST_ROWS, differences, short


def test_settings_are_alike_or_stand_side_by_side() -> None:
    found = differences([json.dumps({"t": {"lr": lr, "wd": 1.0, "seed": 3}}) for lr in (0.1, 0.01)])
    assert found.common == {"t.wd": 1.0, "t.seed": 3}
    assert found.rows == [("t.lr", [0.1, 0.01])]
    assert found.sentence(2) == "2 runs with 2 settings in common; they differ in 1."


def test_what_a_run_lacks_is_no_value_and_a_kind_is_a_difference() -> None:
    found = differences(['{"a": 1, "b": true}', '{"b": 1}', None])
    assert dict(found.rows) == {"a": [1, None, None], "b": [True, 1, None]}
    assert (found.common, short(None), short(True), short(0.001)) == ({}, "–", "true", "0.001")


def test_the_settings_with_the_fewest_values_come_first_and_the_rest_is_counted() -> None:
    configs = [{f"k{n}": (k if n else k % 2) for n in range(MOST_ROWS + 3)} for k in range(4)]
    found = differences([json.dumps(config) for config in reversed(configs)])
    assert found.rows[0][0] == "k0"
    assert (len(found.rows), found.more) == (MOST_ROWS, 3)


def test_nothing_known_is_said() -> None:
    assert differences([None, "{"]).sentence(2) == "Nothing is known of the settings of these 2 runs."
    assert differences(['{"a": 1}'] * 2).sentence(2).endswith("they differ in none that was recorded.")
