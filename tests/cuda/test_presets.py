"""The presets that both trainers name have the same numbers: what C++ prints is compared with strobe.train.config."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from strobe.train.config import MODADD, TEXT, Training, build, training_entry
from tests.support.cuda_programs import NEEDS_A_COMPILER
from tests.support.cuda_trainer import Program, agreement

pytestmark = NEEDS_A_COMPILER

SHARED = ("grok", "small", "nanda", "dev")
"""`small` is modular addition here, and not the language model of that size."""
ONLY_CPP = ("gpt2",)


def without_unknown(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value is not None}


def python_config(name: str) -> dict[str, Any]:
    """What `strobe train` does with this preset, in the words of --print-config."""
    preset = MODADD[name] if name in MODADD else TEXT[name]
    task = {"kind": "modular_addition", **preset["task"]} if name in MODADD else {"kind": "tokens"}
    sizes = {"vocab_size": task["modulus"] + 1, "block_size": 3} if name in MODADD else {"vocab_size": 256}
    if "init_gain" in preset:
        sizes["init_std"] = preset["init_gain"] / preset["model"]["n_embd"] ** 0.5
    model = build(preset, "model", agreement.ModelConfig, {}, **sizes)
    training = build(preset, "training", Training, {})
    network = agreement.GPT(model)
    # No field of a training, but the optimizer's own; and PyTorch multiplies without TF32 unless told.
    more = {"eps": agreement.make_optimizer(network, training).defaults["eps"], "tf32": False}
    count = sum(parameter.numel() for parameter in network.parameters())
    record = {"schedule": training.schedule} if training.schedule else {"snapshot_every": training.snapshot_every}
    return {
        "model": without_unknown({"family": "gpt2", "n_params": count, **dataclasses.asdict(model)}),
        "task": task,
        "training": without_unknown(training_entry(training) | more),
        "sequence_length": model.block_size,
        "record": record,
    }


def cpp_config(program: Program, name: str, *more: object) -> dict[str, Any]:
    data = [] if name in MODADD else ["-i", "shards-*.bin"]
    done = program("--preset", name, *data, *more, "--print-config")
    assert done.returncode == 0, done.stderr
    config: dict[str, Any] = json.loads(done.stdout)
    return config


def flat(config: dict[str, Any], above: str = "") -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in config.items():
        fields |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return fields


def differences(cpp: dict[str, Any], python: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each field that is not the same on both sides, as (C++, Python); None where a side lacks it."""
    ours, theirs = flat(cpp), flat(python)
    pairs = {name: (ours.get(name), theirs.get(name)) for name in ours.keys() | theirs.keys()}
    return {name: pair for name, pair in pairs.items() if not same(*pair)}


def same(ours: Any, theirs: Any) -> bool:
    """Whether two values are equal; numbers to a rounding in the twelfth digit."""
    numbers = isinstance(ours, int | float) and isinstance(theirs, int | float)
    return math.isclose(ours, theirs, rel_tol=1e-12) if numbers else bool(ours == theirs)


def test_the_names_are_these(program: Program) -> None:
    known = re.search(r"give one of (.*)", program("--preset", "?").stderr)
    assert known
    assert set(known[1].split(", ")) == {*SHARED, *ONLY_CPP}
    assert set(SHARED) & set(ONLY_CPP) == set()
    assert not set(ONLY_CPP) & {*MODADD, *TEXT}


@pytest.mark.parametrize("name", SHARED)
def test_a_preset_has_the_numbers_of_the_python_trainer(program: Program, name: str) -> None:
    assert differences(cpp_config(program, name), python_config(name)) == {}


@pytest.mark.parametrize(
    ("flags", "field", "value"),
    [
        (("--warmup", 1), "training.warmup", (1, 0)),
        (("--beta2", 0.95), "training.beta2", (0.95, 0.98)),
        (("--grad-clip", 1), "training.grad_clip", (1.0, None)),
        (("-b", "full"), "training.batch_size", (None, 512)),
        (("--activation", "gelu"), "model.activation", ("gelu", "relu")),
        (("--init-std", 0.02), "model.init_std", (0.02, pytest.approx(0.8 / 128**0.5))),
        (("--fc1-band", 3), "model.fc1_band", (3, None)),
        (("--train-fraction", 0.4), "task.train_fraction", (0.4, 0.3)),
        (("--schedule", "0-9"), "record.schedule", ("0-9", "0-3000/50,3000-14000/100")),
    ],
)
def test_one_number_that_differs_is_noticed(
    program: Program, flags: tuple[object, ...], field: str, value: tuple[Any, Any]
) -> None:
    assert differences(cpp_config(program, "grok", *flags), python_config("grok")) == {field: value}


def test_printing_the_numbers_trains_nothing(program: Program, tmp_path: Path) -> None:
    done = program("--preset", "grok", "-d", tmp_path / "run", "-o", tmp_path / "out", "--print-config")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_start_brings_its_own_model(program: Program, tmp_path: Path) -> None:
    config = agreement.small_cases(tmp_path)[1].config
    start = agreement.write_start(tmp_path / "start", agreement.GPT(config))
    done = program("-i", "shards-*.bin", "-t", 16, "-e", start, "--print-config")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"]["n_embd"] == config.n_embd
