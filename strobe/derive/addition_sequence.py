"""How a run writes a sum as tokens: their order and number, from the manifest's `task`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strobe.derive.recorded_run import NotApplicableError

USUAL: Final = ("a", "b", "=")


def inputs_of(task: Mapping[str, Any], p: int) -> npt.NDArray[np.int32]:
    """All p * p sums as sequences, int32 (p * p, positions): row a * p + b, the answer expected at the last position.

    `task.sequence` names what stands where: "a", "b", "=" (`task.equals_token`, by default p), a name of
    `task.token_names`, or a token's number. Raises NotApplicableError for one that cannot be made.
    """
    sequence = task.get("sequence", list(USUAL))
    if not isinstance(sequence, list) or sequence.count("a") != 1 or sequence.count("b") != 1:
        raise NotApplicableError(f"task.sequence is {sequence!r:.120}, not a list with one 'a' and one 'b'")
    a, b = np.divmod(np.arange(p * p, dtype=np.int32), np.int32(p))
    columns = {"a": a, "b": b}
    return np.stack(
        [
            columns[part] if part in ("a", "b") else np.full(p * p, _token(task, part, p), np.int32)
            for part in sequence
        ],
        axis=1,
    )


def _token(task: Mapping[str, Any], part: object, p: int) -> int:
    """The number of a token that is the same in every sequence."""
    if part == "=":
        return _number(task.get("equals_token", p), "task.equals_token")
    if not isinstance(part, str):
        return _number(part, "an entry of task.sequence")
    names = task.get("token_names")
    if not isinstance(names, list) or names.count(part) != 1:
        raise NotApplicableError(
            f"task.sequence holds {part[:80]!r}, which is neither 'a', 'b', '=', a token's number, nor one name in "
            "task.token_names"
        )
    return names.index(part)


def _number(token: object, what: str) -> int:
    if type(token) is not int or not 0 <= token < 2**31:
        raise NotApplicableError(f"{what} is {token!r:.80}, not a token's number")
    return token
