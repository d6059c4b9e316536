"""The fields of a training: each is a flag of the command line and a box of the app, with one text and one rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from strobe.analysis.health import EXPLODING, VANISHING

Kind = Literal["whole", "real", "text", "switch"]
Part = Literal["task", "model", "training", "plan", "monitor", "data"]
WORDS: Final = {"whole": "a whole number", "real": "a number"}


@dataclass(frozen=True, slots=True)
class Field:
    """`name` is the flag without its dashes; `sets` the hyperparameter of its `part` that it sets, by default one of
    the same name; `least` the smallest number that its own rule lets through; `default` what it is where nothing
    else (preset or dataclass) says so; `choices` the texts that it may be."""

    name: str
    kind: Kind
    part: Part
    label: str
    help: str
    sets: str = ""
    least: float | None = None
    default: float | str | bool | None = None
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """As it is typed."""
        return "--" + self.name.replace("_", "-")

    @property
    def target(self) -> str:
        """The hyperparameter that it sets."""
        return self.sets or self.name


Group = tuple[str, tuple[Field, ...]]
"""Fields that stand together, under a title."""

_STEPS = Field("steps", "whole", "training", "Steps", "Number of updates.")
_LAYERS = Field("layers", "whole", "model", "Layers", "Transformer blocks.", "n_layer")
_HEADS = Field("heads", "whole", "model", "Heads", "Attention heads in a block.", "n_head")
_WIDTH = Field("width", "whole", "model", "Width", "Width of the residual stream.", "n_embd")
_RATE = Field("lr", "real", "training", "Learning rate", "AdamW's learning rate.", "learning_rate")
_DEVICE = Field("device", "text", "training", "Device", "auto, cpu, cuda, cuda:1, ...")
_MODEL = (
    _LAYERS,
    _HEADS,
    _WIDTH,
    Field("mlp", "whole", "model", "MLP units", "Hidden units of the MLP; default 4 x width.", "mlp_width"),
)
_BANDS = (
    Field(
        "fc1_band", "whole", "model", "Band of fcw", "Keep fcw's entries further than this from the diagonal at zero."
    ),
    Field("fc2_band", "whole", "model", "Band of fcprojw", "The same for fcprojw."),
)
_OPTIMIZER = (
    _STEPS,
    Field("batch_size", "text", "training", "Batch size", "Sequences a step, or full for the whole training split."),
    _RATE,
    Field("weight_decay", "real", "training", "Weight decay", "AdamW's weight decay, on matrices."),
    Field("warmup", "whole", "training", "Warm-up", "Steps of linear warm-up."),
    Field("grad_clip", "real", "training", "Clip at", "Clip gradients to this norm."),
    Field("model_seed", "whole", "training", "Seed of weights", "Seed of the initial weights."),
    Field("data_seed", "whole", "training", "Seed of data", "Seed of the split and of the minibatches."),
    Field("eval_every", "whole", "training", "Evaluate every", "Steps between evaluations of the whole splits."),
)
SNAPSHOT_EVERY = Field("snapshot_every", "whole", "training", "Snapshot every", "Steps between snapshots.")
SCHEDULE = Field(
    "schedule", "text", "training", "Schedule",
    'Steps of snapshots, as "0-1400/100,1500-8500/500"; auto, alone or among them: where the training moves.',
)  # fmt: skip
_KEEPING = (
    Field("keep_last", "whole", "training", "Keep newest", "Keep so many newest snapshots, and the first."),
    Field(
        "max_disk", "text", "training", "At most on disk", "Thin the oldest snapshots beyond this size, such as 10GB."
    ),
    Field(
        "checkpoint_every", "whole", "training", "Save state every",
        "Steps between saved states to resume from: what a kill can cost.",
    ),
)  # fmt: skip
_MACHINE = (
    _DEVICE,
    Field(
        "threads", "whole", "training", "CPU threads",
        "CPU threads; default 1 below a million parameters, else one a core.",
    ),
)  # fmt: skip
MONITOR = (
    Field(
        "weight_monitor", "switch", "monitor", "Watch the weights",
        "Look at gradients and updates, and name weights that do not learn.", default=False,
    ),
    Field(
        "weight_monitor_interval", "whole", "monitor", "Updates between looks", "Updates between two looks.",
        least=1, default=100,
    ),
    Field(
        "weight_monitor_sample_size", "whole", "monitor", "Weights looked at",
        "Weights of a tensor whose movement is looked at.", least=1, default=1024,
    ),
    Field(
        "weight_monitor_vanishing", "real", "monitor", "Vanishing at", "L2 of a vanishing gradient, at most.",
        least=0, default=VANISHING,
    ),
    Field(
        "weight_monitor_exploding", "real", "monitor", "Exploding at", "L2 of an exploding gradient, at least.",
        least=0, default=EXPLODING,
    ),
)  # fmt: skip
SNAPSHOTS: Final = "Snapshots"
"""The group that says at which steps snapshots are taken: the first two of its fields exclude each other."""
_SHARED: tuple[Group, ...] = (
    ("Optimizer", _OPTIMIZER),
    (SNAPSHOTS, (SNAPSHOT_EVERY, SCHEDULE, *_KEEPING)),
    ("Machine", _MACHINE),
    ("Weight monitor", MONITOR),
)
MODADD_GROUPS: Final[tuple[Group, ...]] = (
    (
        "Task",
        (
            Field("modulus", "whole", "task", "Modulus", "The p of a + b mod p."),
            Field("train_fraction", "real", "task", "Train on", "Share of the p x p pairs to train on."),
        ),
    ),
    ("Model", (*_MODEL, *_BANDS)),
    *_SHARED,
)
TEXT_GROUPS: Final[tuple[Group, ...]] = (
    ("Task", (Field("data", "text", "data", "Text file", "A text file; its bytes are the tokens."),)),
    ("Model", (*_MODEL, Field("block_size", "whole", "model", "Context", "Bytes of context."), *_BANDS)),
    *_SHARED,
)
_PLAN: Final = "plan"
STUDY_GROUPS: Final[tuple[Group, ...]] = (
    (
        "Study",
        (
            Field("epochs", "text", _PLAN, "Epochs", "Epochs at which to measure, such as 1,3,5,10,20."),
            Field("passages", "whole", _PLAN, "Passages", "Passages in both groups; half are trained on."),
            Field("tokens", "whole", _PLAN, "Tokens", "Tokens of the longest passage.", "longest"),
            Field("seed", "whole", _PLAN, "Seed", "Of passages, initial weights and order."),
            Field(
                "training", "text", _PLAN, "Training", "continuous (default), or restart: anew up to each epoch.",
                choices=("continuous", "restart"),
            ),
            Field(
                "threshold", "real", _PLAN, "Memorized from",
                "Accuracy from which on a passage is memorized; default 0.6.",
            ),
        ),
    ),
    (
        "Model",
        (
            Field(
                "model", "text", _PLAN, "Folder of a GPT-2",
                "Folder of a Hugging Face GPT-2; default the reference GPT-2.",
            ),
            Field("layers", "whole", _PLAN, "Layers", _LAYERS.help),
            Field("heads", "whole", _PLAN, "Heads", _HEADS.help),
            Field("width", "whole", _PLAN, "Width", _WIDTH.help),
            Field("lr", "real", _PLAN, _RATE.label, _RATE.help, "learning_rate"),
            Field("batch_size", "whole", _PLAN, "Batch size", "Passages a step."),
        ),
    ),
    (
        "Machine",
        (
            Field("device", "text", _PLAN, "Device", _DEVICE.help),
            Field("threads", "whole", _PLAN, "CPU threads", "CPU threads, default 2."),
        ),
    ),
)  # fmt: skip
_ALL: Final = {
    "modadd": {field.name: field for _, group in MODADD_GROUPS for field in group},
    "text": {field.name: field for _, group in TEXT_GROUPS for field in group},
    "study": {field.name: field for _, group in STUDY_GROUPS for field in group},
}


def field(name: str, program: str = "modadd") -> Field:
    """One field of a program ("modadd", "text" or "study")."""
    return _ALL[program][name]


def targets(part: Part) -> dict[str, str]:
    """Flag -> the hyperparameter that it sets, for the fields of both trainings in a part."""
    return {name: found.target for name, found in _ALL["modadd"].items() if found.part == part}
