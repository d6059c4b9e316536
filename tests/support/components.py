"""What the app gives to its components in the browser, as AppTest has it."""

from __future__ import annotations

import json
from typing import Any

from streamlit.testing.v1 import AppTest


def given(at: AppTest, name: str) -> dict[str, Any]:
    """The data of the one component `strobe_<name>` of a page, which takes JSON."""
    (found,) = (one.proto for one in at.get("bidi_component") if one.proto.component_name == f"strobe_{name}")
    data: dict[str, Any] = json.loads(found.json)
    return data


def table(at: AppTest) -> dict[str, dict[str, str]]:
    """The table of runs: name -> column -> cell."""
    data = given(at, "runs")
    names = [column["id"] for column in data["columns"]]
    return {row["name"]: dict(zip(names, row["cells"], strict=True)) for row in data["rows"]}
