"""From what was typed into fields to a training that can be started: the rules are those of the command line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.errors import StrobeError
from strobe.analysis.health import EXPLODING, VANISHING, check_thresholds
from strobe.analysis.tasks import addition_counts
from strobe.launch.disk import parameters, snapshot_bytes, state_bytes
from strobe.launch.fields import WORDS, Field
from strobe.launch.programs import Program
from strobe.launch.values import model_of, training_of
from strobe.studies.memorization.passages import made_up
from strobe.studies.memorization.plan import epochs_of, plan_of
from strobe.train.config import LONGEST_SAMPLE, SAMPLES, ConfigError, Training, check_text
from strobe.train.model_config import ModelConfig
from strobe.train.schedule import is_auto, snapshot_steps

MOST_CHARACTERS = 4_000
"""Of what is typed into one field."""
_MOST_TOKENS = 2_000_000
"""Of a study whose passages are made to be looked at."""
_ADDITION_PROBE = 16


class AskedError(StrobeError):
    """What cannot be trained: why, by the field at fault ("" where it is no single one's)."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(faults.values()))
        self.faults = dict(faults)


@dataclass(frozen=True)
class Asked:
    """A training that can be started. `words` are the arguments of `strobe`, without --out; `snapshots` are the steps
    at which some are taken, beside which an `auto` schedule takes more."""

    words: tuple[str, ...]
    steps: int
    parameters: int
    snapshots: tuple[int, ...]
    snapshot_bytes: int
    state_bytes: int
    auto: bool = False
    most: int | None = None
    """Snapshots that are kept, where the oldest are thinned."""
    about: list[str] = field(default_factory=list)
    """What else is to be known."""

    @property
    def kept(self) -> int:
        """Snapshots at the end."""
        return len(self.snapshots) if self.most is None else min(len(self.snapshots), self.most)

    @property
    def bytes(self) -> int:
        """On disk at the end, without the log."""
        return self.kept * self.snapshot_bytes + self.state_bytes

    @property
    def command(self) -> str:
        """As it is typed."""
        return shlex.join(["strobe", *self.words])


def asked(program: Program, preset: str, typed: Mapping[str, str]) -> Asked:
    """The training that `typed` (text by name of field; absent or empty: as the preset has it) asks for.

    Raises AskedError with every fault that was found.
    """
    if preset not in program.presets:
        raise AskedError({"": f"there is no {program.chooses} of this name; there are {', '.join(program.presets)}"})
    values, faults, words = _values(program, preset, typed)
    if faults:
        raise AskedError(faults)
    command = (*program.words, f"--{program.chooses}={preset}", *words)
    try:
        return (_study if program.name == "study" else _training)(program, preset, values, command)
    except AskedError:
        raise
    except (StrobeError, ValueError, OverflowError) as error:
        raise AskedError({_at_fault(program, str(error)): str(error)}) from None


def _values(
    program: Program, preset: str, typed: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """(value of each field that was changed, None of the others; faults; words of the command)."""
    values: dict[str, Any] = dict.fromkeys(program.fields)
    faults, words = {}, []
    for name, known in program.fields.items():
        text = typed.get(name, "").strip()
        if not text or text == program.default(preset, known):
            continue
        try:
            values[name] = parsed(known, text)
        except ConfigError as error:
            faults[name] = str(error)
            continue
        words.append(known.flag if known.kind == "switch" else f"{known.flag}={text}")
    return values, faults, words


def parsed(known: Field, text: str) -> int | float | str | bool:
    """The value that was typed. Raises ConfigError."""
    if len(text) > MOST_CHARACTERS or "\0" in text:
        raise ConfigError(f"{known.label}: {len(text):,} characters; type at most {MOST_CHARACTERS:,}, and no NUL")
    value: int | float | str | bool = text
    if known.kind == "switch":
        return text == "yes"
    if known.kind in WORDS:
        try:
            value = int(text) if known.kind == "whole" else float(text)
        except ValueError:
            raise ConfigError(f"{known.label} is {text!r:.40}; give {WORDS[known.kind]}") from None
        if known.least is not None and not value >= known.least:
            raise ConfigError(f"{known.label} is {text:.40}; give at least {known.least:g}")
    if known.choices and text not in known.choices:
        raise ConfigError(f"{known.label} is {text!r:.40}; give {' or '.join(known.choices)}")
    return value


def _at_fault(program: Program, error: str) -> str:
    """The field that a sentence begins with; "" where it begins with none."""
    for name, known in program.fields.items():
        if error.startswith((f"{known.target} is", f"{known.label.lower()} is", f"{name} is", f"{name} are")):
            return name
    return ""


def _training(program: Program, preset: str, values: dict[str, Any], words: tuple[str, ...]) -> Asked:
    chosen: dict[str, Any] = dict(program.presets[preset])
    batch = values.pop("batch_size")
    given = {part: _part(program, values, part) for part in ("training", "model", "task", "data", "monitor")}
    training = training_of(chosen, None, given["training"], batch)
    _check_monitor(values)
    samples = None
    if program.name == "modadd":
        task = {**chosen["task"], **{name: value for name, value in given["task"].items() if value is not None}}
        pairs, trained = addition_counts(task["modulus"], task["train_fraction"])
        model = model_of(chosen, None, given["model"], vocab_size=task["modulus"] + 1, block_size=3)
        half = _ADDITION_PROBE // 2
        probe = (min(half, trained) + min(half, pairs - trained), 3)
    else:
        model = model_of(chosen, None, given["model"], vocab_size=256)
        if values["data"] is None:
            raise AskedError({"data": "give a text file; its bytes are the tokens"})
        path = Path(values["data"]).expanduser()
        check_text(path, training, model.block_size)
        words = tuple(f"--data={path.absolute()}" if word.startswith("--data=") else word for word in words)
        probe, samples = (4, min(model.block_size, 64)), (SAMPLES, min(model.block_size, LONGEST_SAMPLE))
    steps = snapshot_steps(training.steps, every=training.snapshot_every, schedule=training.schedule)
    size = snapshot_bytes(model, probe, samples)
    return Asked(
        words, training.steps, parameters(model), tuple(sorted(steps)), size, state_bytes(model),
        is_auto(training.schedule), _most_kept(training.keep_last, training.max_disk, size),
    )  # fmt: skip


def _part(program: Program, values: dict[str, Any], part: str) -> dict[str, Any]:
    return {known.target: values[n] for n, known in program.fields.items() if known.part == part and n in values}


def _check_monitor(values: dict[str, Any]) -> None:
    low, high = values["weight_monitor_vanishing"], values["weight_monitor_exploding"]
    check_thresholds(VANISHING if low is None else low, EXPLODING if high is None else high)


def _most_kept(keep_last: int | None, max_disk: int | None, size: int) -> int | None:
    counts = [keep_last + 1] if keep_last is not None else []
    if max_disk is not None:
        if max_disk < 2 * size:
            raise ConfigError(f"max_disk is {max_disk:,} bytes; two snapshots alone take {2 * size:,}")
        counts.append(max_disk // size)
    return min(counts, default=None)


def _study(program: Program, preset: str, values: dict[str, Any], words: tuple[str, ...]) -> Asked:
    given = {known.target: values[name] for name, known in program.fields.items()}
    plan = plan_of(preset, **{**given, "epochs": epochs_of(values["epochs"])})
    about = []
    if plan.model is not None:
        if not Path(plan.model).expanduser().is_dir():
            raise ConfigError(f"model is {plan.model!r:.80}, no folder; give a GPT-2 that save_pretrained wrote")
        about.append("The size of the model in the folder is not looked at: the disk is that of the reference GPT-2.")
    if plan.passages * plan.longest > _MOST_TOKENS:
        raise ConfigError(
            f"passages is {plan.passages:,} of {plan.longest:,} tokens; take fewer for a study of the app"
        )
    passages = made_up(plan.passages, plan.longest, plan.seed)
    model = ModelConfig(
        plan.layers, plan.heads, plan.width, 4 * plan.width, passages.longest, passages.vocab_size,
        init_std=plan.init_std,
    )  # fmt: skip
    each = -(-passages.trained // plan.batch_size)
    legs = plan.epochs if plan.training == "restart" else plan.epochs[-1:]
    Training(steps=sum(legs) * each, learning_rate=plan.learning_rate, weight_decay=0.0, threads=plan.threads)
    size = snapshot_bytes(model, passages.probe_shape)
    return Asked(
        words, sum(legs) * each, parameters(model), tuple(epoch * each for epoch in (0, *plan.epochs)),
        size, state_bytes(model), about=about,
    )  # fmt: skip
