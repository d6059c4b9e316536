"""Where recorded tensors come from: sources, each of which names, places and reads its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol, cast, runtime_checkable

from strobe.record.errors import RecorderError
from strobe.record.owners import followed
from strobe.record.tensors import TensorSpec

PlainTensor = tuple[str, str, Sequence[str], Any]
"""(name, section, dims, tensor): a TensorSpec without its options."""


@runtime_checkable
class TensorSource(Protocol):
    """The tensors of one model, or of one part of a training, for a Recorder.

    A class that derives from this one needs `specs` alone; any other class with the three methods will do as well.
    """

    def specs(self) -> Sequence[TensorSpec]:
        """The tensors in the order that they will have in the file. Asked once, before the run begins.

        A spec whose tensor is a callable is read by calling it at each snapshot, after `prepare`. What it raises
        costs that tensor, and where no other is left, the snapshot.
        """
        ...

    def model_entry(self) -> Mapping[str, Any] | None:
        """The manifest's `model`, with its family; None where the source does not know the model."""
        return None

    def prepare(self) -> None:
        """Called before each snapshot, on the training's thread: the place of one forward pass for many tensors.

        What it raises costs that snapshot and nothing else.
        """
        return None


class ListedTensors(TensorSource):
    """Tensors that somebody named one by one."""

    def __init__(self, specs: Iterable[TensorSpec]) -> None:
        self._specs = tuple(followed(specs))

    def specs(self) -> Sequence[TensorSpec]:
        return self._specs


class CombinedSources(TensorSource):
    """Several sources as one, in their order."""

    def __init__(self, sources: Iterable[TensorSource]) -> None:
        self._sources = tuple(sources)

    def specs(self) -> Sequence[TensorSpec]:
        return [spec for source in self._sources for spec in source.specs()]

    def model_entry(self) -> Mapping[str, Any] | None:
        """That of the source which knows the model. Raises RecorderError when two of them contradict each other."""
        entries = [entry for source in self._sources if (entry := source.model_entry()) is not None]
        if any(entry != entries[0] for entry in entries):
            raise RecorderError("the sources tell of different models; give the Recorder a model")
        return entries[0] if entries else None

    def appeared(self) -> Sequence[TensorSpec]:
        return [spec for source in self._sources for spec in appeared(source)]

    def prepare(self) -> None:
        for source in self._sources:
            source.prepare()


def appeared(source: TensorSource) -> Sequence[TensorSpec]:
    """The tensors that joined since `specs`, or since the last call: asked after each `prepare`.

    A source whose tensors can become more has a method `appeared` that tells; no other needs it.
    """
    tell = getattr(source, "appeared", None)
    return cast(Sequence[TensorSpec], tell()) if callable(tell) else ()


def as_source(tensors: TensorSource | Iterable[TensorSource | TensorSpec | PlainTensor]) -> TensorSource:
    """One source of all that a Recorder was given, in the order given."""
    if isinstance(tensors, TensorSource):
        return tensors
    if hasattr(tensors, "named_parameters") or isinstance(tensors, str | bytes) or not hasattr(tensors, "__iter__"):
        raise RecorderError(f"tensors is a {type(tensors).__name__}; {_EXPECTED}")
    return CombinedSources(_grouped(tensors))


_EXPECTED = "give a TensorSource, or a list of them, of TensorSpecs or of (name, section, dims, tensor)"


def _grouped(items: Iterable[TensorSource | TensorSpec | PlainTensor]) -> Iterator[TensorSource]:
    """Sources as they are, and the tensors between them as one, since looking for their owners takes a while."""
    for is_source, group in groupby(items, lambda item: isinstance(item, TensorSource)):
        if is_source:
            yield from cast(Iterable[TensorSource], group)
        else:
            yield ListedTensors([_spec(cast(TensorSpec | PlainTensor, item)) for item in group])


def _spec(item: TensorSpec | PlainTensor) -> TensorSpec:
    if isinstance(item, TensorSpec):
        return item
    try:
        name, section, dims, tensor = item
    except (TypeError, ValueError):
        raise RecorderError(f"one of tensors is {_shown(item)}; {_EXPECTED}") from None
    if not isinstance(name, str) or not isinstance(section, str) or isinstance(dims, str):
        raise RecorderError(f"one of tensors is {_shown(item)}; {_EXPECTED}")
    return TensorSpec(name, section, dims, tensor)


def _shown(item: object) -> str:
    if isinstance(item, tuple):
        return f"({', '.join(_shown(each) for each in item[:4])})"
    return repr(item)[:40] if isinstance(item, str | int | float) else f"a {type(item).__name__}"
