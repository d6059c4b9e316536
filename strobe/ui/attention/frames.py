"""What the panels of attention are drawn from, kept between reruns and ready to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from strobe.ui.panel.kinds import Presence, presence
from strobe.ui.shell import cursor
from strobe.ui.shell.cache import cached_by_run, slowly_cached_by_run
from strobe.views import attention
from strobe.views.attention import AttentionFrames, Shape
from strobe.views.run_view import RunView
from strobe.views.words import visible


@cached_by_run
def recorded(view: RunView) -> Shape | None:
    """The shape of the attention that the run records, None where there is none."""
    return attention.shape(view)


def layers(view: RunView) -> int:
    """How many layers recorded their attention; 0 where none did."""
    own = recorded(view)
    return own.layers if own is not None else 0


def at_cursor(view: RunView, probe: str = attention.MEAN) -> AttentionFrames:
    """The frames at each snapshot, or at those round the cursor."""
    window = attention.window(view, cursor.settled(view), recorded(view))
    frames: AttentionFrames = _frames(view, tuple(window.steps), not window.whole, probe)
    return frames


def at_steps(view: RunView, probe: str, steps: Sequence[int]) -> AttentionFrames:
    """The frames at the given steps."""
    frames: AttentionFrames = _frames(view, tuple(steps), False, probe)
    return frames


@slowly_cached_by_run("Reading attention …")
def _frames(view: RunView, steps: tuple[int, ...], windowed: bool, probe: str) -> AttentionFrames:
    made = attention.frames(view, steps, windowed, probe)
    return replace(made, labels=list(map(visible, made.labels)), queries=list(map(visible, made.queries)))


def arrays(shown: AttentionFrames) -> dict[str, attention.Array]:
    """What travels: the shades, and where they are few the weights as recorded."""
    return {"values": shown.shades} | ({} if shown.weights is None else {"exact": shown.weights})


def presence_of(view: RunView, frames: AttentionFrames) -> Presence:
    """Which frames are here, and between which steps they were looked for."""
    tried = [step for step in view.steps if frames.span[0] <= step <= frames.span[1]]
    return presence(view, tried, frames.steps, span=frames.span, windowed=frames.windowed)
