"""`strobe tag`, `note` and `archive`: what people say of a run, kept in the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from strobe.commands import opening
from strobe.commands.output import print_json, visible
from strobe.commands.runs import JsonOption, RunArgument, StoreOption, writable

if TYPE_CHECKING:
    from pathlib import Path

    from etl.store.annotations import Annotations


def tag(
    run: RunArgument,
    tags: Annotated[list[str] | None, typer.Argument(metavar="[TAG]...", help="Tags to add.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A tag to take away; repeatable.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add tags to a run, or take some away; without any, print them."""
    from strobe.views.annotating import with_tags

    added, gone = tags or [], remove or []
    said = _changed(run, store, (lambda before: with_tags(before, added, gone)) if added or gone else None)
    _say(as_json, list(said.tags), ", ".join(said.tags) or "no tags")


def note(
    run: RunArgument,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="The note; it replaces the one before.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the note.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a note on a run; without a text, print it."""
    from etl.errors import StrobeError

    if clear and text:
        raise StrobeError("give a text or --clear, not both")
    words = "" if clear else text
    said = _changed(run, store, None if words is None else lambda before: replace(before, note=words.strip()))
    _say(as_json, said.note, said.note or "no note")


def archive(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids, unique names, or folders of runs.")],
    undo: Annotated[bool, typer.Option("--undo", help="List them again.")] = False,
    store: StoreOption = None,
) -> None:
    """Leave runs out of lists; nothing of them is removed."""
    for run in runs:
        _changed(run, store, lambda before: replace(before, archived=not undo))
        typer.echo(f"{run}: {'listed again' if undo else 'archived; `strobe runs --archived` lists it'}")


def _changed(run: str, store: Path | None, change: Callable[[Annotations], Annotations] | None) -> Annotations:
    """What is said of a run, after a change. Raises StrobeError, for the example too, which is read-only."""
    from etl.store.annotations import Annotations
    from etl.store.manage import annotate_run

    found = opening.find_run(opening.store_at(store), run)
    if change is None:
        return Annotations.of(found.pointer.state)
    writable(found)
    return annotate_run(found.files, found.id, change)


def _say(as_json: bool, value: object, words: str) -> None:
    if as_json:
        print_json(value)
    else:
        typer.echo("\n".join(visible(line) for line in words.splitlines()))
