"""Python and the browser name the same fields of a panel's header: none is sent for nothing, none is read in vain."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from strobe.charts.curves import Series
from strobe.ui.panel.kinds import KINDS, CurvesPanel, Line, Panel, PlacedMark, Presence, line_of
from strobe.ui.shell.components import PANEL, STATIC

MADE_ON_THE_WAY = {"kind", "name", "token", "arrays"}
"""What `show` and `pack` add."""


def read_by(source: str) -> set[str]:
    """The fields of a header that a JavaScript text reads: `header.x`, and `const { x, y: z } = p.header`."""
    aliases = re.sub(r"const \{ header[^}]*\} = p, (?=\{)", "const ", source)
    taken = re.findall(r"const \{([^{}]*)\} = (?:p\.|this\.)?header\b", aliases)
    taken += re.findall(r"function noteOf\(\{([^{}]*)\}", source)
    names = {part.partition(":")[0].strip() for group in taken for part in group.split(",")}
    return {name for name in names if name} | set(re.findall(r"\bheader\.([a-z_]+)", source))


def source_of(kind: str) -> str:
    return (STATIC / "kinds" / f"{kind}.js").read_text()


SHARED = read_by((STATIC / "panel.js").read_text()) - MADE_ON_THE_WAY
OF_ALL = ({field.name for field in fields(Panel)} | {field.name for field in fields(Presence)}) - {"presence"}


@pytest.mark.parametrize("kind", KINDS)
def test_both_sides_name_the_same_fields(kind: str) -> None:
    own = {field.name for field in fields(KINDS[kind])} - {field.name for field in fields(Panel)}
    assert read_by(source_of(kind)) - OF_ALL == own


def test_what_all_kinds_share_is_read_by_the_panel_or_by_a_kind() -> None:
    by_kinds = set().union(*(read_by(source_of(kind)) for kind in KINDS))
    assert (SHARED | by_kinds) & OF_ALL == OF_ALL
    assert SHARED <= OF_ALL


def test_every_kind_has_its_file_and_every_file_its_kind() -> None:
    assert {path.stem for path in (STATIC / "kinds").glob("*.js")} == set(KINDS)
    assert {name.removeprefix("kinds/") for name in PANEL if name.startswith("kinds/")} == set(KINDS)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("const { rows, low_value: low } = p.header;", {"rows", "low_value"}),
        ("const { header, look } = p, { columns } = header; header.zoom", {"columns", "zoom"}),
        ("const { steps, shift } = this.header;", {"steps", "shift"}),
        ("p.header.unknown_field", {"unknown_field"}),
    ],
)
def test_a_field_that_only_one_side_names_would_be_seen(text: str, names: set[str]) -> None:
    assert read_by(text) == names


def test_a_header_is_what_json_has() -> None:
    panel = CurvesPanel(
        subject="s", run="r", steps=(0, 10), alt="a", series=[Line("x", "#000")], cursor_x=[0.0, 1.0], height=9,
        log=True, marks=[PlacedMark(1.0, "onset", "#111"), PlacedMark(1.0, "peak", "#222", y=2.0)],
        presence=Presence(snapshots=(0, 10), shift=3),
    )  # fmt: skip
    header = panel.header()
    assert header["kind"] == "curves"
    assert (header["snapshots"], header["shift"], header["windowed"]) == ((0, 10), 3, False)
    plain = {"label": "x", "colour": "#000", "dash": (), "of": "", "run": "", "origin": 0.0, "smoothed": False}
    assert header["series"] == [plain]
    assert header["marks"][0] == {"x": 1.0, "label": "onset", "colour": "#111", "of": ""}
    assert header["marks"][1]["y"] == 2.0
    assert "presence" not in header


def test_a_series_keeps_all_that_a_line_has() -> None:
    line = line_of(Series("a", "#1", True, "b", "run"), 880.0, True)
    assert line == Line("a", "#1", (5, 4), "b", "run", 880.0, True)
