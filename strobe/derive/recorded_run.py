"""A recorded run as the analyses see it: its snapshots' tensors, by name and by role, and its architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from etl.errors import StrobeError
from etl.run.folder import Run
from etl.run.roles import Role, first_with, role_of, tensors_with
from etl.run.snapshot import Snapshot
from etl.run.soundness import require_sound
from strobe.analysis.architecture import Architecture
from strobe.analysis.placing import head_parts, is_transposed

Array = npt.NDArray[Any]
Fitted = TypeVar("Fitted")


class NotApplicableError(StrobeError):
    """An analysis that this run can never have; the text says why and what would be needed."""


class RecordedRun:
    """One run under analysis; which file stands for which step is read once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.paths = run.current()

    @property
    def steps(self) -> list[int]:
        """Steps with a snapshot, ascending, superseded attempts left out."""
        return list(self.paths)

    @property
    def superseded(self) -> set[int]:
        """Steps whose every snapshot a later attempt cut off; a step whose files were thinned away is not one."""
        return {step for step, _, _ in self.run.files()} - set(self.run.current())

    @property
    def model(self) -> Mapping[str, Any]:
        """The manifest's `model`."""
        model: Mapping[str, Any] = self.run.manifest.raw["model"]
        return model

    def at(self, step: int) -> Snapshot:
        """The snapshot of a step. Raises SnapshotError when it is damaged: its first opening reads and checks every
        byte, since no row may be made of numbers that were never recorded."""
        return _checked(self.run.open(self.paths[step]))

    def payload_crc(self, step: int) -> int:
        """What the header of a step's snapshot says of its bytes. Raises SnapshotError when that is damaged."""
        return self.run.open(self.paths[step]).payload_crc

    def as_recorded(self, step: int) -> Snapshot:
        """The same, with tensors in whatever shape they have there: for what looks at each step by itself."""
        return _checked(self.run.as_recorded(self.paths[step]))

    def names(self, section: str) -> list[str]:
        """The tensors of a section, without it: "wte"; empty where it was not recorded."""
        return [str(tensor["name"]).partition("/")[2] for tensor in self.tensors(section)]

    def tensors(self, section: str) -> list[Mapping[str, Any]]:
        """The manifest's entries of the tensors of a section."""
        return [each for each in self.run.manifest.raw["snapshot"]["tensors"] if each["section"] == section]

    def parameter(self, role: Role) -> str | None:
        """The first tensor of a role as "params/NAME"; None where the model has none."""
        return first_with(self.run.manifest.raw, role)

    def parameters(self, role: Role) -> list[str]:
        """Every tensor of a role as "params/NAME"."""
        return tensors_with(self.run.manifest.raw, role)

    @cached_property
    def roles(self) -> dict[str, Role | None]:
        """The role of each params tensor, by its name without the section."""
        return {str(each["name"]).partition("/")[2]: role_of(each) for each in self.tensors("params")}

    @cached_property
    def architecture(self) -> Architecture:
        """Raises NotApplicableError where the model has no forward pass here."""
        try:
            return Architecture.of(self.model)
        except (KeyError, ValueError) as error:
            raise NotApplicableError(f"no forward pass for this model ({error})") from None

    def entry(self, name: str) -> Mapping[str, Any] | None:
        """The manifest's entry of a tensor, by its full name; None where the run has none."""
        return next((each for each in self.run.manifest.raw["snapshot"]["tensors"] if each["name"] == name), None)

    def fitting(self, check: Callable[[Mapping[str, Any]], Fitted], name: str) -> Fitted:
        """What a check of `analysis.fitting` makes of a tensor's entry. Raises NotApplicableError where it does not
        fit, or there is none."""
        try:
            return check(self.spec(name))
        except ValueError as error:
            raise NotApplicableError(str(error)) from None

    def spec(self, name: str) -> Mapping[str, Any]:
        """The manifest's entry of a tensor, by its full name. Raises NotApplicableError where the run has none."""
        if (found := self.entry(name)) is None:
            raise NotApplicableError(f"the snapshots do not hold {name}")
        return found

    @property
    def interleaved(self) -> bool:
        """Whether each head's rows of q, k and v stand together. Raises ValueError for a layout that is not known."""
        layout = self.model.get("qkv_layout", "stacked")
        if layout not in ("stacked", "interleaved"):
            raise ValueError(f"qkv_layout is {layout!r:.80}; known are 'stacked' and 'interleaved'")
        if layout == "interleaved" and self.model.get("n_kv_head", self.model.get("n_head")) != self.model.get(
            "n_head"
        ):
            raise ValueError("interleaved q, k and v with n_kv_head below n_head have no order here")
        return bool(layout == "interleaved")

    def embedding(self, snapshot: Snapshot, name: str, place: str) -> Array:
        """An embedding as (tokens, channels), whichever axis it has first. Raises NotApplicableError where its axes
        do not tell."""
        values = np.asarray(snapshot.values(name))
        return values.T if self._turned(name, place) else values

    def tokens(self, name: str, place: str) -> int:
        """How many tokens an embedding has. Raises NotApplicableError where its axes do not tell."""
        return int(self.spec(name)["shape"][1 if self._turned(name, place) else 0])

    def _turned(self, name: str, place: str) -> bool:
        spec, width = self.spec(name), self.model.get("n_embd")
        try:
            return is_transposed(place, spec["dims"], spec["shape"], (None, width))
        except ValueError as error:
            said = f" (model.n_embd is {width!r:.40})" if width is not None else ""
            raise NotApplicableError(f"{name}: {error}{said}") from None

    def heads(self, name: str, qkv: Array) -> dict[str, list[Array]]:
        """The rows of one layer's queries, keys and values as "q", "k" and "v", each a list of (D, C); `qkv` is of
        the tensor `name`, rows or columns first.

        Empty where the model does not tell how many heads there are, how they are laid out, or which axis is which.
        """
        heads = self.model.get("n_head")
        kv_heads = self.model.get("n_kv_head", heads)
        if type(heads) is not int or type(kv_heads) is not int or min(heads, kv_heads) < 1:
            return {}
        try:
            interleaved = self.interleaved
            turned = is_transposed("qkvw", self.spec(name)["dims"][-2:], qkv.shape, (None, self.model.get("n_embd")))
        except ValueError:
            return {}
        return head_parts(qkv.T if turned else qkv, heads, kv_heads, interleaved=interleaved)


def _checked(snapshot: Snapshot) -> Snapshot:
    require_sound(snapshot)
    return snapshot


def layers(snapshot: Snapshot, name: str) -> Iterator[tuple[int | None, Array]]:
    """(layer, values) of a tensor: of each layer where the first axis stacks them, else once with its own or None."""
    spec, values = snapshot.spec(name), np.asarray(snapshot.values(name))
    if spec["dims"][0] == "layer":
        yield from enumerate(values)
    else:
        yield spec.get("layer"), values
