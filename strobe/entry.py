"""Where the `strobe` command begins: before anything else is imported, Ctrl-C is taken care of."""

from __future__ import annotations

# The builtin halves of signal and os: their own imports take long enough to be interrupted.
import _signal  # type: ignore[import-not-found]
import posix

# A shell's background jobs ignore it.
if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
    _signal.signal(_signal.SIGINT, lambda *_: posix._exit(130))


def main() -> None:
    """Run the command line. What an interrupt makes of it ends with code 130 and no word."""
    from etl.replacing import remove_unfinished
    from strobe import cli
    from strobe.interrupts import CODE, Interrupts, leave

    interrupts = Interrupts(remove_unfinished)
    try:
        try:
            interrupts.listen()
            cli.main()
        finally:
            interrupts.over()
    except BaseException as error:
        code = error.code if isinstance(error, SystemExit) else 1
        # A library may turn an interrupt into an error of its own; a command may have taken it as its end.
        if interrupts.came:
            leave(0 if code in (0, None) else CODE)
        raise
