"""The first panel of Health: the state of the run in a sentence, and every alert."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import streamlit as st

from strobe.ui.panel import panel
from strobe.ui.shell.cache import cached_by_run
from strobe.ui.shell.words import escaped
from strobe.views import health
from strobe.views.health import Alert, Health
from strobe.views.run_view import RunView
from strobe.views.words import count

_VALUE: Final = "At the first step: a gradient's L2, a frozen tensor's movement, elements that are not finite"


@cached_by_run
def _health(view: RunView) -> Health:
    return health.health(view.tables, view.run)


def alerts(view: RunView) -> None:
    """The state of the run in a sentence, and under it what is wrong with which tensor since when."""
    state = _health(view)
    panel.title("Is every tensor learning?")
    panel.say(state.sentence())
    if state.alerts:
        st.html(_table(state, view.run))
        left_out = f" The first {len(state.alerts):,} of {state.found:,}." if state.found > len(state.alerts) else ""
        panel.caption(f"A step is a link: it takes the cursor there, here or where you send it.{left_out}")
    panel.tools("health", health.RULE, [state.answer.sql], lambda: state.answer.table, None)


def _table(state: Health, run: str) -> str:
    head = (
        "<tr><th>Tensor</th><th>What</th><th>From step</th><th>to</th><th>Snapshots</th>"
        f'<th title="{escaped(_VALUE)}">Value</th></tr>'
    )
    body = "".join(_row(alert, run) for alert in state.alerts)
    return f'<div class="st-rows st-alerts"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _row(alert: Alert, run: str) -> str:
    name = f'<td title="{escaped(alert.name)}">{escaped(alert.name, health.MOST_SEEN)}</td>'
    last = step_link(run, alert.last_step) if alert.last_step != alert.first_step else ""
    return (
        f"<tr>{name}<td>{escaped(alert.kind)}</td><td>{step_link(run, alert.first_step)}</td><td>{last}</td>"
        f"<td>{count(alert.snapshots)}</td><td>{alert.measured}</td></tr>"
    )


def step_link(run: str, step: int) -> str:
    """A link to a step of a run on this page, as HTML: the cursor follows it without the server, and its address is
    one that others can open."""
    at = escaped(f"?{urlencode({'run': run, 'step': step})}")
    return f'<a href="{at}" data-run="{escaped(run)}" data-step="{step}">{count(step)}</a>'
