"""The `strobe` command. Heavy imports wait inside the commands, so that `strobe --help` is quick."""

from __future__ import annotations

import errno
import os
import sys

import typer

from etl.errors import StrobeError
from strobe.commands import (
    analyze,
    annotate,
    data,
    example,
    export,
    jobs,
    listing,
    opening,
    plot,
    runs,
    share,
    sql,
    study,
    train,
    verify,
)
from strobe.commands import app as app_command
from strobe.version import __version__

_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)
"""What a disk refuses, and a person can mend: one line tells it."""
_OF_A_PATH = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EACCES, errno.EPERM)
"""What is amiss with a path that was given."""

app = typer.Typer(
    name="strobe",
    help="Watch the inside of a transformer change while it learns.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"strobe {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: bool = typer.Option(  # noqa: ARG001 (its callback has acted)
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    opening.forget()
    context.call_on_close(opening.tell_what_is_left_out)


app.add_typer(train.app, name="train")
app.add_typer(study.app, name="study")
app.add_typer(jobs.app, name="jobs")
app.command("ingest")(data.ingest)
app.command("runs")(listing.runs)
app.command("show")(runs.show)
app.command("sql")(sql.sql)
app.command("analyze")(analyze.analyze)
app.command("verify")(verify.verify)
app.command("rm")(runs.rm)
app.command("rename")(runs.rename)
app.command("tag")(annotate.tag)
app.command("note")(annotate.note)
app.command("archive")(annotate.archive)
app.add_typer(export.app, name="export")
app.command("plot")(plot.plot)
app.command("example")(example.example)
app.command("share")(share.share)
app.command("compact")(data.compact)
app.command("doctor")(data.doctor)
app.command("app")(app_command.app)


def main() -> None:
    """Entry point: what a person can mend is one line on stderr and exit code 1."""
    try:
        app()
    except StrobeError as error:
        sys.stderr.write(f"strobe: {error}\n")
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output (head, less) is gone: nothing is left to say.
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        if error.errno not in _OF_THE_DISK + _OF_A_PATH:
            raise
        where = f"{error.filename}: " if error.filename else ""
        kept = "; what was there before is still current" if error.errno in _OF_THE_DISK else ""
        sys.stderr.write(f"strobe: {where}{os.strerror(error.errno)}{kept}\n")
        sys.exit(1)
