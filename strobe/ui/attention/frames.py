"""What the panels of attention are drawn from, kept between reruns and ready to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import streamlit as st

from strobe.ui.panel.kinds import Presence, presence
from strobe.ui.shell import cursor
from strobe.ui.shell.cache import cached_by_run, slowly_cached_by_run
from strobe.views import attention, attention_frames
from strobe.views.attention import Shape
from strobe.views.attention_frames import AttentionFrames
from strobe.views.run_view import RunView
from strobe.views.words import visible

CHOICE: Final = "module"
"""The parameter that names the tensor of attention that is looked at."""

tensors = cached_by_run(attention.tensors)


def chosen(view: RunView) -> str | None:
    """The tensor of attention that is looked at: the chosen one where this run has it, else its first; None where it
    has none."""
    every: list[str] = tensors(view)
    asked = st.session_state.get(CHOICE)
    return asked if asked in every else next(iter(every), None)


def recorded(view: RunView) -> Shape | None:
    """The shape of the attention that is looked at, None where there is none."""
    shape: Shape | None = _shape(view, chosen(view))
    return shape


_shape = cached_by_run(attention.shape)


def layers(view: RunView) -> int:
    """How many layers recorded their attention; 0 where none did."""
    own = recorded(view)
    return own.layers if own is not None else 0


def at_cursor(view: RunView, probe: str = attention.MEAN) -> AttentionFrames:
    """The frames at each snapshot, or at those round the cursor."""
    window = attention_frames.window(view, cursor.settled(view), recorded(view))
    frames: AttentionFrames = _frames(view, tuple(window.steps), not window.whole, probe, chosen(view))
    return frames


def at_steps(view: RunView, probe: str, steps: Sequence[int]) -> AttentionFrames:
    """The frames at the given steps."""
    frames: AttentionFrames = _frames(view, tuple(steps), False, probe, chosen(view))
    return frames


@slowly_cached_by_run("Reading attention …")
def _frames(view: RunView, steps: tuple[int, ...], windowed: bool, probe: str, tensor: str | None) -> AttentionFrames:
    made = attention_frames.frames(view, steps, windowed, probe, tensor)
    return replace(made, labels=list(map(visible, made.labels)), queries=list(map(visible, made.queries)))


def arrays(shown: AttentionFrames) -> dict[str, attention.Array]:
    """What travels: the shades, and where they are few the weights as recorded."""
    return {"values": shown.shades} | ({} if shown.weights is None else {"exact": shown.weights})


def presence_of(view: RunView, frames: AttentionFrames) -> Presence:
    """Which frames are here, and between which steps they were looked for."""
    tried = [step for step in view.steps if frames.span[0] <= step <= frames.span[1]]
    return presence(view, tried, frames.steps, span=frames.span, windowed=frames.windowed)
