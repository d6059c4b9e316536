"""Names that runs get: always fit for the store, and never one that is taken."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.run.manifest import RUN_ID
from etl.run.names import candidates, run_id


@given(st.text())
def test_every_name_is_made_to_fit(text: str) -> None:
    assert RUN_ID.fullmatch(run_id(text))


@given(st.from_regex(RUN_ID, fullmatch=True))
def test_the_next_names_fit_too_and_differ(name: str) -> None:
    names = list(itertools.islice(candidates(name), 12))
    assert names[0] == name
    assert len(set(names)) == 12
    assert all(RUN_ID.fullmatch(other) for other in names)


@pytest.mark.parametrize(
    ("text", "fitted"),
    [("grok-p97", "grok-p97"), ("20251113", "r-20251113"), ("My Run!", "my-run"), ("é", "run"), ("...", "run")],
)
def test_what_a_name_becomes(text: str, fitted: str) -> None:
    assert run_id(text) == fitted
