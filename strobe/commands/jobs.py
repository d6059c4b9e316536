"""`strobe jobs`: the queue of trainings and analyses, each a process that outlives who queued it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.errors import StrobeError
from strobe.commands.output import age, print_json, print_table, visible
from strobe.commands.runs import JsonOption, StoreOption

if TYPE_CHECKING:
    from strobe.jobs.job import Job
    from strobe.jobs.queue import Queue

app = typer.Typer(help="Queue trainings and analyses, and look after them.", no_args_is_help=True)

RunsOption = Annotated[
    Path | None,
    typer.Option("--runs", help="The folder of runs; default $STROBE_RUNS, else ./runs.", show_default=False),
]
JobArgument = Annotated[int, typer.Argument(metavar="JOB", help="The number of a job.")]
_QUEUED = ("train", "ingest", "analyze", "study")
_LINES_OF_FAILED = 3


def _queue(runs: Path | None) -> Queue:
    from strobe.jobs.queue import Queue
    from strobe.settings import runs_path

    return Queue(runs or runs_path())


@app.command("add", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def add(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="As train modadd --steps 100.")],
    runs: RunsOption = None,
    store: StoreOption = None,
) -> None:
    """Queue a command of Strobe's. A training is read into the store and analyzed when it ends."""
    from strobe.jobs.training import training_steps
    from strobe.settings import store_path

    given = _parsed(context, command)
    if command[0] == "train":
        folder = _folder(command, given, runs)
        rest = command if given["out"] is None else _without_out(command)
        steps = training_steps(rest, folder, (store or store_path()).absolute())
        job = _queue(runs).add(steps, folder=folder)
    else:
        job = _queue(runs).add([command])
    typer.echo(f"job {job.id} is queued: {visible(job.title)}")


@app.command("list")
def list_jobs(runs: RunsOption = None, as_json: JsonOption = False) -> None:
    """Every job, the newest first: its state, progress, and what a failed one said last."""
    queue = _queue(runs)
    jobs = queue.jobs()[::-1]
    if as_json:
        print_json([_as_row(queue, job) for job in jobs])
        return
    if not jobs:
        typer.echo("no jobs; queue one: strobe jobs add train modadd --preset small")
        return
    print_table(
        ["job", "state", "queued", "progress", "command"],
        [[str(job.id), job.state, age(job.queued), _progress(job), job.title] for job in jobs],
        numeric=["job"],
    )
    for job in jobs:
        if job.reason:
            typer.echo(f"job {job.id}: {job.reason}", err=True)
        if job.state == "failed":
            for line in queue.log_tail(job.id, _LINES_OF_FAILED):
                typer.echo(f"  {visible(line)}", err=True)
    if any(job.state == "queued" for job in jobs) and not queue.at_work():
        typer.echo("no runner is at work: strobe jobs start", err=True)


@app.command("cancel")
def cancel(job: JobArgument, runs: RunsOption = None) -> None:
    """End a job. A training ends after its step, saves its state, and stays readable."""
    changed = _queue(runs).cancel(job)
    typer.echo(f"job {job} is {changed.state}" if changed.state != "running" else f"job {job} is being cancelled")


@app.command("rerun")
def rerun(job: JobArgument, runs: RunsOption = None) -> None:
    """Queue a job once more: an unfinished training goes on where it has a saved state."""
    from strobe.jobs.training import again

    queue = _queue(runs)
    steps, folder = again(queue.job(job))
    queued = queue.add(steps, folder=folder)
    typer.echo(f"job {queued.id} is queued: {visible(queued.title)}")


@app.command("log")
def log(
    job: JobArgument,
    lines: Annotated[int, typer.Option(min=1, help="As many of the last lines.")] = 100,
    runs: RunsOption = None,
) -> None:
    """Print the end of what a job's commands have printed."""
    queue = _queue(runs)
    for line in queue.log_tail(queue.job(job).id, lines):
        typer.echo(visible(line))


@app.command("start")
def start(runs: RunsOption = None) -> None:
    """Start the runner, as after a reboot; queueing a job does it too."""
    queue = _queue(runs)
    if not any(job.state == "queued" for job in queue.jobs()):
        typer.echo("nothing is queued")
        return
    queue.start_runner()
    typer.echo("the runner was started")


def _parsed(context: typer.Context, command: list[str]) -> dict[str, Any]:
    """What the flags of a command say, by the command's own rules; these end ours where they are broken."""
    found: Any = context.find_root().command
    words = list(command)
    if words[0] not in _QUEUED:
        raise StrobeError(f"{visible(words[0])!r} is not queued; what is: {', '.join(_QUEUED)}")
    while hasattr(found, "commands"):
        if not words or words[0] not in found.commands:
            raise StrobeError(f"there is no such command; there are {', '.join(found.commands)}")
        found = found.commands[words.pop(0)]
    parsed: dict[str, Any] = found.make_context(
        " ".join(["strobe", *command[: len(command) - len(words)]]), words
    ).params
    return parsed


def _folder(command: list[str], given: dict[str, Any], runs: Path | None) -> Path:
    from strobe.settings import runs_path

    name = given["preset"] if command[1] == "modadd" else f"text-{given['size']}"
    return Path(given["out"] or (runs or runs_path()) / name).absolute()


def _without_out(command: list[str]) -> list[str]:
    at = next(place for place, word in enumerate(command) if word == "--out" or word.startswith("--out="))
    return command[:at] + command[at + (2 if command[at] == "--out" else 1) :]


def _progress(job: Job) -> str:
    from strobe.jobs.progress import progress

    if job.state != "running":
        return "–"
    done = progress(Path(job.folder), job.started or 0) if job.folder and job.at == 0 else None
    if done is None:
        return f"{job.steps[job.at][0]}, step {job.at + 1} of {len(job.steps)}"
    of = f" of {done.steps:,}" if done.steps is not None else ""
    left = f", {done.seconds_left:,.0f} s left" if done.seconds_left is not None else ""
    return f"{done.step:,}{of}{left}"


def _as_row(queue: Queue, job: Job) -> dict[str, Any]:
    from strobe.jobs.progress import progress

    done = progress(Path(job.folder), job.started) if job.folder and job.started is not None else None
    seconds = (job.ended or time.time()) - job.started if job.started is not None else None
    return {
        "job": job.id, "state": job.state, "command": job.title, "folder": job.folder, "queued": job.queued,
        "started": job.started, "ended": job.ended, "seconds": seconds,
        "step": done.step if done else None, "steps": done.steps if done else None,
        "seconds_left": done.seconds_left if done and job.state == "running" else None,
        "reason": job.reason, "log": str(queue.log_path(job.id)),
    }  # fmt: skip
