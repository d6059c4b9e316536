"""What a whole study finds: of noise nothing, of a planted separation that, each beside the number of tests."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strobe.analysis.memorization.findings import CANNOT_TELL, FOUND, NOT_FOUND, Measures, findings
from strobe.analysis.memorization.separation import LEVEL, best_layer, difference, first_separated, separations
from strobe.analysis.multiple_tests import holm

EPOCHS = [1, 3, 5, 10, 20, 30, 50, 100]


def noise(seed: int, layers: int = 11, passages: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(8, layers, passages))


def survivors(seed: int) -> int:
    scores = noise(seed)
    p = np.array([test.p for row in separations(scores[..., :20], scores[..., 20:]) for test in row])
    assert p.shape == (88,)
    return int((holm(p) <= LEVEL).sum())


def test_little_of_pure_noise_survives() -> None:
    assert sum(survivors(seed) > 0 for seed in range(6)) <= 1


@pytest.mark.slow
def test_of_88_tests_of_noise_none_survives_in_95_percent_of_trials() -> None:
    assert sum(survivors(seed) == 0 for seed in range(200)) >= 190


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, math.nan])).tolist()[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert math.isnan(holm(np.array([0.01, math.nan]))[1])
    assert holm(np.zeros(0)).shape == (0,)


def test_a_difference_is_in_standard_deviations() -> None:
    generator = np.random.default_rng(0)
    inside = []
    for _ in range(200):
        found = difference(generator.normal(2, 1, 30), generator.normal(0, 1, 25))
        inside.append(found.low <= 2 <= found.high)
    assert 0.92 <= np.mean(inside) <= 0.98
    assert "too few: 4 and 9" in difference(np.arange(4.0), np.arange(9.0)).reason
    assert difference(np.ones(9), np.ones(9)).reason == "neither group varies"


def test_layers_separate_in_the_order_in_which_they_were_planted() -> None:
    scores = noise(1, layers=3, passages=60)
    scores[5:, 0, :30] += 3
    scores[2:, 2, :30] += 3
    tests = separations(scores[..., :30], scores[..., 30:])
    assert first_separated(np.array(EPOCHS), tests) == [30, None, 5]


def test_the_best_layer_is_measured_on_passages_that_did_not_choose_it() -> None:
    scores = noise(2)[0]
    scores[4, :20] += 2
    found = best_layer(scores[:, :20], scores[:, 20:])
    assert found.layer == 4
    assert found.agreement > 0.8
    assert found.outcome.low < 2 < found.outcome.high
    assert found.outcome.p < 1e-3


def test_the_best_layer_of_noise_has_no_effect() -> None:
    held, chosen = [], []
    for seed in range(8):
        scores = noise(seed)[0]
        held.append(best_layer(scores[:, :20], scores[:, 20:]).outcome.effect)
        chosen.append(max(abs(difference(one[:20], one[20:]).effect) for one in scores))
    assert abs(np.mean(held)) < 0.25
    assert np.mean(chosen) > 0.4


def study(seed: int, planted: float) -> Measures:
    generator = np.random.default_rng(seed)
    trained = np.arange(40) < 20
    accuracy = generator.uniform(0, 0.1, (8, 40))
    accuracy[4:, :20] += 0.85
    compression = noise(seed, layers=2)
    compression[4:, 1, :20] += planted
    return Measures(EPOCHS, trained, accuracy, np.full((8, 40), 0.05), accuracy >= 0.6, compression)


def test_a_study_reports_every_test_with_their_number() -> None:
    made = findings(study(0, 4.0))
    tested = [each for each in made if not math.isnan(each.outcome.p)]
    assert {each.tests for each in made} == {len(tested)}
    corrected = [each.p_corrected for each in made]
    np.testing.assert_array_equal(corrected, holm(np.array([each.outcome.p for each in made])))
    assert sum(each.verdict == FOUND for each in made) == np.sum(np.array(corrected) <= LEVEL)
    found = {(each.analysis, each.subject): each for each in made}
    assert found["reproduction", "trained against novel, epoch 100"].verdict == FOUND
    assert found["reproduction", "novel against chance, epoch 100"].verdict == NOT_FOUND
    assert found["separation", "layer 1, epoch 20"].verdict == FOUND
    assert found["separation", "layer 0, epoch 20"].verdict == NOT_FOUND
    assert found["best layer", "layer 1, epoch 100"].verdict == FOUND
    # All are memorized at one epoch: there is nothing to tell apart.
    assert found["onset", "layer 0, epoch 1"].outcome.reason == "one of the two is the same everywhere"
    prediction = found["prediction", "layer 0, epoch 1, of epoch 100"]
    assert (prediction.verdict, prediction.outcome.reason[:7]) == (CANNOT_TELL, "too few")


def test_a_study_of_noise_finds_no_compression() -> None:
    silent = [each for each in findings(study(3, 0.0)) if each.analysis != "reproduction"]
    assert [each.subject for each in silent if each.verdict == FOUND] == []


def test_a_single_epoch_is_enough_to_report() -> None:
    whole = study(0, 4.0)
    one = Measures([100], whole.trained, whole.accuracy[-1:], whole.chance[-1:], whole.memorized[-1:],
                   whole.compression[-1:])  # fmt: skip
    made = findings(one)
    assert {each.verdict for each in made if each.analysis == "shape"} == {CANNOT_TELL}
    assert not [each for each in made if each.analysis == "early and late"]
