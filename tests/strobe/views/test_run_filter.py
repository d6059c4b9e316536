"""The grammar of conditions on runs: what it takes, what it refuses and says, and that nothing else gets through."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strobe.views.run_filter import MOST_CHARACTERS, FilterError, is_blank, parse

ROW: dict[str, Any] = {
    "lr": 0.01, "status": "finished", "name": "it's", "loss": math.nan, "note": "", "seed": 3, "tied": True,
    "text": "1e-3", "min(val_loss)": 0.25, "odd name": "Wide", "wide": math.inf,
}  # fmt: skip

FITS = [
    "lr > 1e-3 and status = 'finished'", "lr >= .01", "lr <= 0.01", "lr == 1e-2", "lr != 1", "lr <> 2",
    "name = 'it''s'", "min(val_loss) < .3", "seed in (1, 2, 3)", "seed not in (1)", "not seed in (1)",
    '"odd name" contains \'IDE\'', "tied = true", "not tied = false", "loss is null", "note is null",
    "lr is not null", "text < 0.01", "status = 'x' or lr > 0", "(status = 'x' or lr > 0) and seed = 3",
    "LR > 5 or lr > 0".replace("LR", "lr"), "lr > 0 AND NOT seed = 4", "wide > 1e300", "seed > -4", "1 < seed",
]  # fmt: skip
FITS_NOT = [
    "lr < 1e-3", "loss < 1", "loss > 1", "loss = loss", "note = ''", "status < 3", "seed in (4, '5')", "tied = false",
    "status contains 'fail'", "lr > 0 and seed = 4", "lr is null",
]  # fmt: skip


@pytest.mark.parametrize("text", FITS)
def test_what_fits(text: str) -> None:
    assert parse(text).test(ROW)


@pytest.mark.parametrize("text", FITS_NOT)
def test_what_does_not(text: str) -> None:
    assert not parse(text).test(ROW)


def test_and_binds_closer_than_or() -> None:
    assert parse("seed = 3 or seed = 3 and lr > 9").test(ROW)
    assert not parse("(seed = 3 or seed = 3) and lr > 9").test(ROW)


def test_the_columns_that_a_condition_names() -> None:
    assert parse("lr > 1 and (a.b = 'lr' or best( val/loss ) < lr)").columns == ("lr", "a.b", "best( val/loss )")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "character 1: a column, a number or a 'text' is missing"),
        ("lr >", "character 5: a column, a number"),
        ("lr > 1 2", "character 8: one more condition needs `and` or `or`"),
        ("lr 3", "character 4: here stands one of ="),
        ("lr > $", "character 6: '$' is not understood"),
        ("(lr > 1", "character 8: `)` is missing"),
        ("lr is 3", "`null` is missing"),
        ("lr > 'open", "is not understood"),
        ("and = 1", "a column, a number"),
        ("(" * 60 + "lr > 1", "more than 40 parentheses"),
        ("x" * 2_000, f"{MOST_CHARACTERS:,} are read"),
    ],
)
def test_an_error_says_what_is_wrong_and_where(text: str, words: str) -> None:
    with pytest.raises(FilterError) as raised:
        parse(text)
    assert words in str(raised.value)


@given(st.text(max_size=80))
def test_any_text_is_a_condition_or_an_error_of_ours(text: str) -> None:
    try:
        condition = parse(text)
    except FilterError:
        return
    assert condition.test(dict.fromkeys(condition.columns, 1.0)) in (True, False)


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=False, allow_infinity=False))
def test_comparisons_are_those_of_numbers_and_nan_fits_none(value: float, bound: float) -> None:
    row = {"x": value}
    below, above = (parse(f"x {sign} {bound!r}").test(row) for sign in ("<", ">="))
    assert (below, above) == ((value < bound), (value >= bound))
    assert (below or above) != is_blank(value)
