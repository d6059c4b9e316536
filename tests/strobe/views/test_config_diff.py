"""In which settings runs differ, and in what order that is said."""

from __future__ import annotations

import json

from strobe.views.config_diff import NOT_SET, config_diff
from strobe.views.configuration import configuration, real, settings, whole


def names(*runs: dict[str, str]) -> list[str]:
    return [difference.name for difference in config_diff(runs).differences]


def test_settings_are_flat_words() -> None:
    config = json.dumps({"training": {"lr": 0.1, "betas": [0.9, 0.98]}, "model": {"n_layer": 2}, "writer": "x"})
    assert settings(config) == {"training.lr": "0.1", "model.n_layer": "2", "writer": "x"}
    assert settings("{damaged") == settings(None) == {}


def test_a_key_is_found_wherever_it_stands_and_the_outer_one_counts() -> None:
    config = configuration(json.dumps({"inner": {"lr": 1, "width": "8"}, "lr": 2}))
    assert (config["lr"], whole(config, ("depth", "width"))) == (2, 8)
    assert configuration("[1") == configuration(None) == {}


def test_numbers_are_read_as_trainers_write_them() -> None:
    assert real({"a": "3e-4", "b": True, "c": "nan", "d": None}, ("b", "c", "d", "a")) == 3e-4
    assert real({"a": "x"}, ("a", "z")) is None


def test_what_differs_comes_in_its_order() -> None:
    one = {"lr": "0.1", "wd": "1", "act": "gelu", "run_name": "a", "same": "1", "only": "5"}
    two = {"lr": "0.2", "wd": "1", "act": "relu", "run_name": "b", "same": "1"}
    three = {"lr": "0.3", "wd": "2", "act": "relu", "run_name": "c", "same": "1.0"}
    assert names(one, two, three) == ["lr", "wd", "act", "only", "run_name"]
    found = config_diff([one, two, three])
    assert found.alike == 1
    assert found.differences[3].values == ["5", NOT_SET, NOT_SET]


def test_how_a_number_is_written_does_not_count() -> None:
    assert names({"lr": "3e-4"}, {"lr": "0.0003"}) == []


def test_a_setting_in_several_places_counts_once() -> None:
    assert names({"lr": "1", "startup.config.lr": "1"}, {"lr": "2", "startup.config.lr": "2"}) == ["lr"]


def test_a_run_without_settings_costs_no_other() -> None:
    found = config_diff([{"lr": "1"}, {}, {"lr": "2"}])
    assert list(found.without) == [1]
    assert found.differences[0].values == ["1", NOT_SET, "2"]
