"""The process of `strobe app`: Streamlit's command line, ended by Ctrl-C without a traceback.

SIGINT is blocked when this begins, by who started it: none is lost and none comes before it is taken care of.
"""

from __future__ import annotations

# The builtin halves of signal and os: their own imports take long enough to be interrupted.
import _signal  # type: ignore[import-not-found]
import posix

_signal.signal(_signal.SIGINT, lambda *_: posix._exit(130))
_signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGINT])


TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_PATIENCE_S = 10.0


def main() -> None:
    """Run Streamlit with our arguments. A Ctrl-C that its server has taken as its end comes back to us after that."""
    from streamlit.web.cli import main as streamlit

    _end_once()
    _signal.signal(_signal.SIGINT, _leave)
    streamlit(prog_name="streamlit")


def _end_once() -> None:
    """Let the server end in its own time: pressed again, it would drop what it does with a traceback for each."""
    import time

    from uvicorn import Server

    end, since = Server.handle_exit, list[float]()

    def patient(server: Server, number: int, frame: FrameType | None) -> None:
        if not since or time.monotonic() - since[0] > _PATIENCE_S:
            since.append(time.monotonic())
            end(server, number, frame)

    Server.handle_exit = patient  # type: ignore[method-assign,assignment]


def _leave(*_: object) -> None:
    # Once: what comes while Python ends would only disturb it.
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    raise SystemExit(130)


if __name__ == "__main__":
    main()
