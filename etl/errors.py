"""The errors that a person is meant to read: their root, and the one that several parts of the store raise."""

from __future__ import annotations


class StrobeError(ValueError):
    """Something that a person can mend: its message is one line saying what was wrong, what exists, what to try.

    The command line prints it and exits with 1; everything else that escapes is a bug and keeps its traceback.
    """


class StoreError(StrobeError):
    """A store that cannot be read or written, or a run that is not in it."""
