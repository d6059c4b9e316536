"""Every number that is read off a curve is the recorded one at the step that is named with it: read from the page in
Chromium, and compared with the rows of the tables."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

from etl.store.catalogue import Store
from strobe.views.curves import Alignment, Smoothing, available_axes, place_steps
from strobe.views.run_view import CatalogueTables
from tests.support.effort import whole_in_ci
from tests.support.read_off_store import read_off_store
from tests.support.served import served

pytestmark = pytest.mark.browser

RUNS = ("grok-p97", "diverging", "sparse", "early", "resumed", "long", "logs")
FIRST = tuple(run for run in RUNS if run != "logs")
"""Those with snapshots, which a cursor moves through."""
PANELS = {"curves": "board", "runs": "timeline", "explorer": "explorer_loss"}
METRICS = {"test": "val_loss", "train": "train_loss"}
FULL_LOSS = "FROM progress WHERE run = 'grok-p97' AND measure = 'full_loss' AND split ="
DERIVED = {
    "fourier": ("fourier_losses", {
        "test": f"SELECT step, value {FULL_LOSS} 'val'", "train": f"SELECT step, value {FULL_LOSS} 'train'",
        "restricted (key frequencies alone)": """SELECT step, value FROM progress
WHERE run = 'grok-p97' AND measure = 'restricted_loss' AND split = 'all' AND frequency IS NULL""",
        "excluded (without them, train)": """SELECT step, value FROM progress
WHERE run = 'grok-p97' AND measure = 'excluded_loss' AND split = 'train' AND frequency IS NULL""",
    }),
    "attention": ("scores_lines", {
        f"L0 H{head}": f"""SELECT step, previous_token AS value FROM heads
WHERE run = 'grok-p97' AND layer = 0 AND head = {head}""" for head in range(4)
    }),
    "weights": ("ranks", {
        name.replace("_", " "): f"""SELECT step, {name} AS value FROM spectra
WHERE run = 'grok-p97' AND tensor = 'fcw' AND layer = 0 AND part = 'whole' AND head IS NULL"""
        for name in ("effective_rank", "stable_rank", "participation_ratio")
    }),
}  # fmt: skip
"""Page -> a panel of the embedded run over a derived table, and the query of each of its lines."""
SMOOTHINGS = ("none", "ema-0.9", "mean-11", "mean-1001")
ALIGNED = ("none", "step", "onset")
READ = """async ([key]) => {
  // What moved is drawn before the next frame is painted; nobody sees the page before that.
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const all = (root, wanted) => [...root.querySelectorAll("*")].flatMap((element) =>
    [...(element.matches(wanted) ? [element] : []), ...(element.shadowRoot ? all(element.shadowRoot, wanted) : [])]);
  const panel = document.querySelector(`.st-key-${key}`);
  return {
    step: all(document, "[data-at=step]")[0].textContent,
    legend: all(panel, ".legend button").map(({ childNodes: [, label, value] }) =>
      [label.textContent, value.textContent, value.title]),
    tip: all(panel, ".tip:not([hidden]) > div").map((line) => line.textContent),
    where: all(panel, ".dock .where").map((line) => line.textContent).join(),
    table: all(panel, ".dock tbody tr").map((row) => ({
      names: [...row.querySelectorAll("button span, button small")].map((part) => part.textContent).filter(Boolean),
      step: row.querySelector(".s").textContent,
      value: row.querySelector(".v").childNodes[0]?.textContent ?? "",
      smoothed: row.querySelector(".v small")?.textContent ?? "",
    })),
  };
}"""
SETTLED = """() => {
  const all = (root, wanted) => [...root.querySelectorAll("*")].flatMap((element) =>
    [...(element.matches(wanted) ? [element] : []), ...(element.shadowRoot ? all(element.shadowRoot, wanted) : [])]);
  return all(document, ".dock").every((dock) => dock.dataset.settled === "true");
}"""


@dataclass(frozen=True)
class View:
    """One combination: a page with some runs at a step, and how its curves are looked at."""

    page: str
    runs: tuple[str, ...]
    step: int
    smooth: str = "none"
    axis: str = "step"
    align: str = "none"
    align_step: int = 100
    scale: str = "log"
    zoom: tuple[float, float] | None = None
    """Shares of the plot between which is dragged."""
    keys: tuple[str, ...] = ()
    pointer: float = 0.5
    pointed: bool = False
    """Whether the pointer is in the plot, so that the crosshair is there and not at the cursor."""

    @property
    def panel(self) -> str:
        return DERIVED[self.page][0] if self.page in DERIVED else PANELS[self.page]

    @property
    def address(self) -> str:
        asked = {
            "run": self.runs, "step": self.step, "smooth": self.smooth, "x": self.axis, "align": self.align,
            "align_step": self.align_step, "log" if self.scale == "log" else "linear": "loss",
        }  # fmt: skip
        return f"{self.page}?{urlencode(asked, doseq=True)}"


@dataclass
class Truth:
    """The tables, asked by plain SQL."""

    store: Path
    tables: CatalogueTables = field(init=False)

    def __post_init__(self) -> None:
        self.tables = CatalogueTables(Store(self.store).current(), str(self.store))
        self.rows = cache(self.rows)  # type: ignore[method-assign]

    def rows(self, run: str, metric: str) -> dict[int, dict[str, Any]]:
        """step -> its row, of a metric or of what a query of DERIVED has."""
        if metric.startswith("SELECT"):
            return {row["step"]: row for row in self.tables.ask(f"{metric} ORDER BY step").table.to_pylist()}
        table = self.tables.ask(f"""SELECT step, value, tokens, epoch, time FROM scalars
WHERE run = '{run}' AND name = '{metric}' ORDER BY step""").table
        return {row["step"]: row for row in table.to_pylist()}

    def steps(self, run: str) -> list[int]:
        table = self.tables.ask(f"SELECT step FROM snapshots WHERE run = '{run}' ORDER BY step").table
        return list(table["step"].to_pylist())

    def place(self, view: View, run: str, step: int) -> float:
        """Where the cursor of the first run stands for another, in steps of that run or on the axis."""
        origins = {
            each: Alignment(view.align, view.align_step).origin(self.tables, each, view.axis) or 0.0
            for each in (view.runs[0], run)
        }
        at = float(place_steps(self.tables, view.runs[0], view.axis, [step])[0]) if view.axis != "step" else step
        return at - origins[view.runs[0]] + origins[run]

    def expected(self, view: View, run: str, metric: str, step: int) -> tuple[str, int | None, float]:
        """("not on this axis" | "not yet" | "ended" | "recorded", the step of the row, its value)."""
        rows, column = self.rows(run, metric), {"clock": "time"}.get(view.axis, view.axis)
        if view.axis == "step" or run == view.runs[0]:
            places = {row: float(row) for row in rows}
            wanted = self.place(view, run, step) if view.axis == "step" else float(step)
        else:
            start = self._start(run) if view.axis == "time" else 0.0
            places = {row: each[column] - start for row, each in rows.items() if each[column] is not None}
            wanted = self.place(view, run, step)
        if not places:
            return "not on this axis", None, math.nan
        before = [row for row, place in places.items() if place <= wanted]
        if not before:
            return "not yet", None, math.nan
        ends = sorted(set(places.values()))[-2:]
        over = view.page not in DERIVED and wanted > ends[-1] + (ends[-1] - ends[0])
        state = "ended" if over else "recorded"
        return state, before[-1], rows[before[-1]]["value"]

    def _start(self, run: str) -> float:
        return float(self.tables.ask(f"SELECT min(time) AS t FROM scalars WHERE run = '{run}'").table["t"][0].as_py())

    def smoothed(self, view: View, run: str, metric: str) -> dict[int, float]:
        finite = {step: row["value"] for step, row in self.rows(run, metric).items() if math.isfinite(row["value"])}
        values = Smoothing(view.smooth).of(np.array(list(finite.values())))
        return dict(zip(finite, values.tolist(), strict=True))


SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def number(text: str) -> float:
    """What a person reads: 4,200  0.0031  −3.1×10⁻⁷  10⁻⁴  NaN  inf."""
    text = text.replace(",", "").replace("−", "-")
    if text in ("NaN", "inf", "-inf"):
        return float(text)
    mantissa, _, power = text.rpartition("10") if re.search("10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+$", text) else (text, "", "")
    if not power:
        return float(text)
    head = mantissa.rstrip("×") or "1"
    return float("-1" if head == "-" else head) * 10.0 ** int(power.translate(SUPERSCRIPTS))


def same(shown: str, exact: float) -> bool:
    """Whether a text is a number to the three figures that are shown."""
    read = number(shown)
    if not math.isfinite(exact):
        return repr(read) == repr(exact)
    if exact == 0:
        return read == 0
    unit = 10.0 ** (math.floor(math.log10(abs(exact))) - 2)
    return abs(read - exact) <= 0.5 * unit * (1 + 1e-6)


def curve_of(view: View, label: str) -> tuple[str, str]:
    """The run and the metric that a label names."""
    if view.page in DERIVED:
        return "grok-p97", DERIVED[view.page][1][label]
    *run, split = label.split(" · ")
    names = {"grokking modular addition, p = 97": "grok-p97"}
    return (names.get(run[0], run[0]) if run else view.runs[0]), METRICS[split]


def check_table(truth: Truth, view: View, seen: dict[str, Any]) -> int:
    """Compares every row of the docked table: each number is exactly the recorded one, at the step beside it."""
    found = re.search(r"step ([\d,]+)", seen["where"])
    if found is None or (view.axis != "step" and view.pointed):
        return 0
    step, compared = whole(found[1]), 0
    titles = {"grokking modular addition, p = 97": "grok-p97"}
    for row in seen["table"]:
        names = row["names"]
        run = view.runs[0] if len(names) == 1 else titles.get(names[0], names[0])
        metric = METRICS[names[-1]]
        state, at, value = truth.expected(view, run, metric, step)
        where = f"{view}, {row}, expected {state} {at} {value}"
        if at is None:
            assert row["value"] == state, where
            continue
        if state == "ended":
            assert row["value"] == f"ended at {at:,}", where
            continue
        assert row["step"] == (f"{at:,}" if at == step else f"at {at:,}"), where
        assert repr(exactly(row["value"])) == repr(float(value)), where
        compared += 1
        assert bool(row["smoothed"]) == (view.smooth != "none" and math.isfinite(value)), where
        if row["smoothed"]:
            exact = truth.smoothed(view, run, metric)[at]
            assert exactly(row["smoothed"].removeprefix("smoothed ")) == pytest.approx(exact, rel=1e-12), where
            compared += 1
    return compared


def exactly(text: str) -> float:
    """A number of the table, which has all its figures."""
    return float(text.replace(",", "").replace("−", "-"))


VALUE = r"(?:at (?P<at>[\d,]+): )?(?P<value>[^ ]+?)(?:, smoothed (?P<smoothed>[^ ]+))?$"


def check_legend(truth: Truth, view: View, seen: dict[str, Any]) -> int:
    """Compares every entry of a legend; returns how many numbers were compared."""
    step, compared = whole(seen["step"].removeprefix("step ")), 0
    for label, text, title in seen["legend"]:
        run, metric = curve_of(view, label)
        state, row, value = truth.expected(view, run, metric, step)
        where = f"{view}, {label}: {text!r}, expected {state} {row} {value}"
        if row is None:
            assert text == state, where
            continue
        if state == "ended":
            assert text == f"ended at {row:,}", where
            continue
        found = re.match(VALUE, text)
        assert found, where
        assert (whole(found["at"]) if found["at"] else step) == row, where
        assert same(found["value"], value), where
        assert f"step {row:,}: " in title, where
        compared += 1
        if view.smooth != "none" and view.page == "curves":
            assert bool(found["smoothed"]) == math.isfinite(value), where
        if found["smoothed"]:
            assert same(found["smoothed"], truth.smoothed(view, run, metric)[row]), where
            compared += 1
    return compared


def check_tip(truth: Truth, view: View, seen: dict[str, Any]) -> int:
    """Compares every line of a tip with the row of the step that it names."""
    if not seen["tip"]:
        return 0
    heading, *lines = seen["tip"]
    for text in lines:
        label, _, said = text.partition("  ")
        run, metric = curve_of(view, label)
        found = re.match(r"(?:at (?P<at>[\d,]+): )?(?P<value>[^ ]+)(?P<smoothed> smoothed)?$", said)
        assert found, f"{view}: {text}"
        assert found["at"] or heading.startswith("step "), f"{view}: {seen['tip']}"
        row = whole(found["at"] or heading.removeprefix("step "))
        exact = truth.smoothed(view, run, metric)[row] if found["smoothed"] else truth.rows(run, metric)[row]["value"]
        assert same(found["value"], exact), f"{view}: {seen['tip']}, expected {exact}"
        assert bool(found["smoothed"]) == (view.smooth != "none" and view.page == "curves"), f"{view}: {text}"
    return len(lines)


def whole(text: str) -> int:
    return int(text.replace(",", ""))


def drawn_at_random(dice: random.Random, truth: Truth) -> View:
    """Any combination that the page offers."""
    page = dice.choice([*PANELS, "curves", "curves", *DERIVED])
    if page in DERIVED:
        return View(page, ("grok-p97",), dice.choice(truth.steps("grok-p97")), pointer=dice.uniform(0.02, 0.98))
    first = dice.choice(FIRST)
    others = dice.sample([run for run in RUNS if run != first], dice.choice([0, 0, 1, 2, len(RUNS) - 1]))
    keys = tuple(dice.choice(["ArrowLeft", "ArrowRight"]) for _ in range(dice.randrange(3)))
    view = View(page, (first, *others), dice.choice(truth.steps(first)), keys=keys, pointer=dice.uniform(0.02, 0.98))
    if page != "curves":
        return view
    zoom = sorted(dice.uniform(0.05, 0.95) for _ in range(2))
    align = dice.choice(ALIGNED) if dice.random() < 0.3 else "none"
    if Alignment(align).origin(truth.tables, first, "step") is None:
        align = "step"
    axes = available_axes(truth.tables, first)
    return replace(
        view, smooth=dice.choice(SMOOTHINGS), axis=dice.choice(axes) if dice.random() < 0.4 else "step", align=align,
        align_step=dice.choice(truth.steps(first)), scale=dice.choice(["log", "linear"]),
        zoom=(zoom[0], zoom[1]) if zoom[1] - zoom[0] > 0.05 and dice.random() < 0.5 else None,
    )  # fmt: skip


def looked_at(page: Any, server: str, view: View) -> list[tuple[View, dict[str, Any]]]:
    """What the page says: as it was opened, while the cursor moves, and zoomed with the pointer in the plot."""
    print(view)
    page.goto(f"{server}/{view.address}")
    key, board = view.panel, view.page == "curves"
    wanted = ".st-key-board [data-chart=loss] canvas[data-token]" if board else f".st-key-{key} canvas[data-token]"
    canvas = page.locator(wanted).first
    canvas.wait_for(timeout=120_000)
    standing(page)
    seen = [(view, said(page, key))]
    if view.zoom is not None:
        drag(page, canvas, view.zoom, board)
    for press in view.keys:
        page.keyboard.press(press)
        seen.append((view, said(page, key)))
    if view.keys:
        page.wait_for_timeout(500)
        standing(page)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 54 + view.pointer * (box["width"] - 68), box["y"] + box["height"] / 2)
    seen.append((replace(view, pointed=True), said(page, key)))
    page.mouse.move(1, 1)
    return seen


def said(page: Any, key: str) -> dict[str, Any]:
    page.wait_for_function(SETTLED, timeout=60_000)
    read: dict[str, Any] = page.evaluate(READ, [key])
    # The crosshair follows the cursor before the next frame; only then is what it reads asked for.
    page.wait_for_function(SETTLED, timeout=60_000)
    return read if key != "board" else page.evaluate(READ, [key])  # type: ignore[no-any-return]


def standing(page: Any) -> None:
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=120_000)
    page.wait_for_timeout(150)


def drag(page: Any, canvas: Any, ends: tuple[float, float], board: bool) -> None:
    box, token = canvas.bounding_box(), canvas.get_attribute("data-token")
    places = [box["x"] + 54 + end * (box["width"] - 68) for end in ends]
    page.mouse.move(places[0], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(places[1], box["y"] + box["height"] / 2, steps=2)
    page.mouse.up()
    if board:
        # Where every row is drawn already, nothing is asked for.
        page.wait_for_url("**zoom=**", timeout=60_000)
    else:
        changed = "([canvas, before]) => canvas.dataset.token !== before"
        page.wait_for_function(changed, arg=[canvas.element_handle(), token], timeout=60_000)
    standing(page)


@pytest.fixture(scope="module")
def long() -> int:
    """Steps of the longest run."""
    return 100_000


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory, long: int) -> Truth:
    return Truth(read_off_store(tmp_path_factory.mktemp("readings"), long))


@pytest.fixture(scope="module")
def app(truth: Truth) -> Iterator[str]:
    with served(truth.store) as address:
        yield address


def compared(page: Any, app: str, truth: Truth, views: list[View]) -> int:
    count = 0
    for view in views:
        for at, seen in looked_at(page, app, view):
            if view.page == "curves":
                assert seen["table"], view
                count += check_table(truth, at, seen)
                continue
            assert seen["legend"], view
            count += check_legend(truth, view, seen) + check_tip(truth, view, seen)
    return count


CHOSEN = (
    View("curves", ("grok-p97",), 13200),
    View("curves", ("grok-p97", "long", "sparse"), 9500, "ema-0.9", zoom=(0.2, 0.4)),
    View("curves", ("diverging", "early", "sparse", "logs"), 400, keys=("ArrowRight",), pointer=0.3),
    View("curves", ("diverging", "early"), 1100, "mean-11", scale="linear"),
    View("curves", ("resumed", "grok-p97"), 1000, axis="tokens", keys=("ArrowLeft",)),
    View("curves", ("resumed", "grok-p97"), 900, align="onset"),
    View("curves", RUNS, 6500, scale="linear", pointer=0.05),
    View("runs", ("long", "logs"), 50_000),
    View("explorer", ("sparse",), 0),
    *(View(page, ("grok-p97",), 5800, keys=("ArrowRight",)) for page in DERIVED),
)


@whole_in_ci
def test_what_the_page_says_is_what_the_tables_have(page: Any, app: str, truth: Truth) -> None:
    assert compared(page, app, truth, list(CHOSEN)) > 40


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_combinations_say_what_the_tables_have(page: Any, app: str, truth: Truth) -> None:
    dice = random.Random(0)
    views = [drawn_at_random(dice, truth) for _ in range(200)]
    assert compared(page, app, truth, views) > 800
