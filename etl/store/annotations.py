"""What people say of a run: tags, a note, and that it is archived. The run's pointer keeps it, so that it changes as
everything of a run does, and a list of a thousand runs opens no file for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from etl.errors import StoreError

MOST_TAGS: Final = 20
MOST_OF_A_TAG: Final = 40
MOST_OF_A_NOTE: Final = 4_000
_KEY: Final = "annotations"


@dataclass(frozen=True)
class Annotations:
    """Of one run; `archived`: it is left out of lists unless they are asked for it."""

    tags: tuple[str, ...] = ()
    note: str = ""
    archived: bool = False

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Annotations:
        """What the state of a pointer says; what is no such thing counts as not said."""
        raw = state.get(_KEY)
        if not isinstance(raw, dict):
            return cls()
        tags, note = raw.get("tags"), raw.get("note")
        kept = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
        return cls(tuple(kept), note if isinstance(note, str) else "", raw.get("archived") is True)

    def kept(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """A pointer's state with this in it."""
        rest = {key: value for key, value in state.items() if key != _KEY}
        if self == Annotations():
            return rest
        return rest | {_KEY: {"tags": list(self.tags), "note": self.note, "archived": self.archived}}

    def checked(self) -> Annotations:
        """The same. Raises StoreError where a tag or the note is too long or cannot be shown."""
        if len(self.tags) > MOST_TAGS:
            raise StoreError(f"{len(self.tags)} tags; a run has at most {MOST_TAGS}")
        for tag in self.tags:
            if not tag.strip() or len(tag) > MOST_OF_A_TAG or not tag.isprintable() or "," in tag:
                raise StoreError(f"the tag {tag[:MOST_OF_A_TAG]!r}: a tag is 1 to {MOST_OF_A_TAG} printable "
                                 "characters without a comma")  # fmt: skip
        if len(self.note) > MOST_OF_A_NOTE:
            raise StoreError(f"the note has {len(self.note):,} characters; at most {MOST_OF_A_NOTE:,} are kept")
        return self
