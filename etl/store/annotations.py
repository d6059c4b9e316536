"""What people say of a run: tags, a note, a colour, and that it is archived. The run's pointer keeps it, so that it
changes as everything of a run does, and a list of a thousand runs opens no file for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from etl.errors import StoreError

MOST_TAGS: Final = 20
MOST_OF_A_TAG: Final = 40
MOST_OF_A_NOTE: Final = 4_000
_KEY: Final = "annotations"
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class Annotations:
    """Of one run; `archived`: it is left out of lists unless they are asked for it. `colour` is "#rrggbb", or "" for
    the one that its place among other runs gives it."""

    tags: tuple[str, ...] = ()
    note: str = ""
    archived: bool = False
    colour: str = ""

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Annotations:
        """What the state of a pointer says; what is no such thing counts as not said."""
        raw = state.get(_KEY)
        if not isinstance(raw, dict):
            return cls()
        tags, note, colour = raw.get("tags"), raw.get("note"), raw.get("colour")
        painted = isinstance(colour, str) and _COLOUR.fullmatch(colour)
        kept = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
        return cls(
            tuple(kept), note if isinstance(note, str) else "", raw.get("archived") is True,
            str(colour) if painted else "",
        )  # fmt: skip

    def kept(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """A pointer's state with this in it."""
        rest = {key: value for key, value in state.items() if key != _KEY}
        if self == Annotations():
            return rest
        said = {"tags": list(self.tags), "note": self.note, "archived": self.archived}
        return rest | {_KEY: said | ({"colour": self.colour} if self.colour else {})}

    def checked(self) -> Annotations:
        """The same. Raises StoreError where a tag or the note is too long or cannot be shown, or a colour is none."""
        if self.colour and not _COLOUR.fullmatch(self.colour):
            raise StoreError(f"the colour {self.colour[:20]!r}: a colour is written as #1f77b4")
        if len(self.tags) > MOST_TAGS:
            raise StoreError(f"{len(self.tags)} tags; a run has at most {MOST_TAGS}")
        for tag in self.tags:
            if not tag.strip() or len(tag) > MOST_OF_A_TAG or not tag.isprintable() or "," in tag:
                raise StoreError(f"the tag {tag[:MOST_OF_A_TAG]!r}: a tag is 1 to {MOST_OF_A_TAG} printable "
                                 "characters without a comma")  # fmt: skip
        if len(self.note) > MOST_OF_A_NOTE:
            raise StoreError(f"the note has {len(self.note):,} characters; at most {MOST_OF_A_NOTE:,} are kept")
        return self
