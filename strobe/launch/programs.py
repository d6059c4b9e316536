"""The trainings that there are: their presets, their fields, and what each field is where nobody says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from dataclasses import fields as dataclass_fields
from typing import Any, Final

from strobe.launch.fields import MODADD_GROUPS, STUDY_GROUPS, TEXT_GROUPS, Field, Group
from strobe.studies.memorization.plan import MODES
from strobe.studies.memorization.plan import Plan as StudyPlan
from strobe.train.config import MODADD, TEXT, Training


@dataclass(frozen=True)
class Program:
    """`words` begin its command; `chooses` is the flag of its `presets`, of which `usual` is taken by itself."""

    name: str
    title: str
    about: str
    words: tuple[str, ...]
    chooses: str
    presets: Mapping[str, Mapping[str, Any]]
    usual: str
    groups: tuple[Group, ...]

    @property
    def fields(self) -> dict[str, Field]:
        """All of them, by name."""
        return {field.name: field for _, group in self.groups for field in group}

    def folder_name(self, preset: str) -> str:
        """What its run is called where nobody says otherwise."""
        return {"modadd": preset, "text": f"text-{preset}", "study": f"memorization-{preset}"}[self.name]

    def default(self, preset: str, field: Field) -> str:
        """The text of a field where it is left as it is; empty where it has no value by itself."""
        if field.default is not None:
            return shown(field.default)
        chosen, target = self.presets[preset], field.target
        if field.part == "plan":
            return shown(chosen.get(target, _OF_PLAN.get(target)))
        own: Mapping[str, Any] = chosen.get(field.part, {})
        if target == "mlp_width" and own[target] == 4 * own["n_embd"]:
            return ""  # it follows the width
        if target in own:
            return _batch(own[target]) if target == "batch_size" else shown(own[target])
        if field.part == "training" and not (target == "snapshot_every" and own.get("schedule")):
            return _batch(_OF_TRAINING[target]) if target == "batch_size" else shown(_OF_TRAINING[target])
        return ""


def _own(kind: Any) -> dict[str, Any]:
    return {field.name: field.default for field in dataclass_fields(kind) if field.default is not MISSING}


_OF_TRAINING: Final = _own(Training)
_OF_PLAN: Final = _own(StudyPlan)


def shown(value: Any) -> str:
    """A value as it is typed."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _batch(value: int | None) -> str:
    return "full" if value is None else str(value)


PROGRAMS: Final = {
    program.name: program
    for program in (
        Program(
            "modadd", "Addition", "Learns addition modulo p from a share of all pairs: the model that groks.",
            ("train", "modadd"), "preset", MODADD, "grok", MODADD_GROUPS,
        ),
        Program(
            "text", "Text", "Learns to predict the next byte of a text.",
            ("train", "text"), "size", TEXT, "small", TEXT_GROUPS,
        ),
        Program(
            "study", "Memorization study", "Learns passages by heart, and measures what layers show of it.",
            ("study", "memorization"), "mode", MODES, "quick", STUDY_GROUPS,
        ),
    )
}  # fmt: skip
"""Name -> program."""
