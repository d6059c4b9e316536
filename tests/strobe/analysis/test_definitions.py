"""The page of definitions and the versions in the code say the same."""

import re

from strobe.analysis.definitions import DEFINITIONS
from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "analyses.md").read_text()


def documented(page):
    return {name: int(version) for name, version in re.findall(r"^\| `(\w+)` \| (\d+) \|", page, re.MULTILINE)}


def test_every_version_is_documented():
    assert documented(PAGE) == DEFINITIONS


def test_a_forgotten_version_is_noticed():
    assert documented(PAGE.replace("| `heads` | 1 |", "| `heads` | 2 |")) != DEFINITIONS
