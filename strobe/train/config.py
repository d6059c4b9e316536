"""Every number of a training, and the presets."""

from __future__ import annotations

import dataclasses
import math
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from etl.errors import StrobeError
from etl.run.journal import MAX_STEP

Precision = Literal["float32", "float64"]


class ConfigError(StrobeError):
    """A training that cannot be what was asked for."""


SAMPLES = 4
"""Continuations that a text model writes at each snapshot."""
LONGEST_SAMPLE = 96
"""Tokens of one, its beginning included."""

_WITHIN = (
    *((name, 1, MAX_STEP) for name in ("steps", "eval_every", "checkpoint_every", "keep_last")),
    ("warmup", 0, MAX_STEP),
    ("threads", 1, 1024),
    *((name, -(2**63), 2**64 - 1) for name in ("model_seed", "data_seed")),
)
"""(hyperparameter, least, most) of whole numbers."""


@dataclass(frozen=True, slots=True)
class Training:
    """How a model is trained: AdamW with a constant learning rate after a linear warm-up.

    `batch_size` None is the full training split. `weight_decay` is applied to matrices, not to LayerNorm or biases.
    `loss_dtype` is the precision of the cross-entropy: float32 log-softmax bottoms out near 1e-7. `schedule` or
    `snapshot_every` says which steps are recorded. `checkpoint_every` steps the state to resume from is saved.
    """

    steps: int
    learning_rate: float = 1e-3
    weight_decay: float = 1.0
    beta1: float = 0.9
    beta2: float = 0.98
    warmup: int = 10
    batch_size: int | None = 512
    grad_clip: float | None = None
    loss_dtype: Precision = "float32"
    eval_every: int = 50
    snapshot_every: int | None = 100
    schedule: str | None = None
    checkpoint_every: int = 500
    model_seed: int = 999
    data_seed: int = 598
    device: str = "auto"
    threads: int | None = None
    keep_last: int | None = None
    max_disk: int | None = None

    def __post_init__(self) -> None:
        for name, least, most in _WITHIN:
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ConfigError(f"{name} is {value}; give {least:,} to {most:,}")
        if self.grad_clip is not None and not 0 < self.grad_clip < math.inf:
            raise ConfigError(f"grad_clip is {self.grad_clip:g}; give a norm above 0, or leave it out")
        if self.batch_size is not None and not 1 <= self.batch_size <= MAX_STEP:
            raise ConfigError(f"batch size is {self.batch_size}; give at least 1, or full")
        if not 0 < self.learning_rate < 10:
            raise ConfigError(f"learning rate is {self.learning_rate:g}; give a number above 0 and below 10, as 1e-3")
        if not 0 <= self.weight_decay * self.learning_rate < 1:
            raise ConfigError(
                f"learning rate {self.learning_rate:g} times weight decay {self.weight_decay:g} is what each update "
                "takes off a weight: it must be 0 or more and below 1; give a smaller --lr or --weight-decay"
            )
        if not 0 <= self.beta1 < 1 or not 0 <= self.beta2 < 1:
            raise ConfigError(f"betas are {self.beta1}, {self.beta2}; each must be in [0, 1)")


def check_text(path: Path, training: Training, block_size: int) -> int:
    """Sequences a step. Raises ConfigError where a text cannot be trained on: no regular file, or too short."""
    if training.batch_size is None:
        raise ConfigError("a text has no full batch; give --batch-size N")
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: cannot be read ({why}); give a text file") from None
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path}: is no regular file; give a text file")
    needed = 20 * (block_size + 1)
    if found.st_size < needed:
        raise ConfigError(f"{path}: has {found.st_size:,} bytes; {needed:,} are needed at this size")
    return training.batch_size


_GROK = {
    **{"n_layer": 1, "n_head": 4, "n_embd": 128, "mlp_width": 512, "activation": "relu", "layernorm": "none"},
    **{"bias": False, "tied_embeddings": False, "init_residual": False},
}
MODADD: dict[str, dict[str, Any]] = {
    "grok": {
        "model": _GROK,
        "init_gain": 0.8,
        "task": {"modulus": 97, "train_fraction": 0.3},
        "training": {"steps": 14_000, "warmup": 0, "snapshot_every": None, "schedule": "0-3000/50,3000-14000/100"},
    },
    "small": {
        "model": {
            **{"n_layer": 2, "n_head": 4, "n_embd": 128, "mlp_width": 512, "activation": "gelu_tanh"},
            **{"layernorm": "pre", "bias": True, "tied_embeddings": True, "init_std": 0.02},
        },
        "task": {"modulus": 97, "train_fraction": 0.4},
        "training": {"steps": 2_000, "eval_every": 20},
    },
    "nanda": {
        "model": _GROK,
        "init_gain": 1.0,
        "task": {"modulus": 113, "train_fraction": 0.3},
        "training": {
            **{"steps": 40_000, "batch_size": None, "loss_dtype": "float64", "eval_every": 20},
            **{"snapshot_every": None, "schedule": "0-2000/100,2000-40000/500"},
        },
    },
}
"""Modular addition: "grok" is the embedded example, "small" the CUDA trainer's size, "nanda" the paper's model.

With an `init_gain` the weights' standard deviation is that over the square root of the width.
"""

_TEXT_MODEL = {"activation": "gelu_tanh", "layernorm": "pre", "bias": True, "tied_embeddings": True, "init_std": 0.02}
_TEXT_TRAINING = {
    **{"learning_rate": 1e-3, "weight_decay": 0.1, "beta2": 0.95, "warmup": 100, "batch_size": 16},
    **{"grad_clip": 1.0, "eval_every": 100, "steps": 2_000, "model_seed": 0, "data_seed": 0},
}
TEXT: dict[str, dict[str, Any]] = {
    name: {
        "model": _TEXT_MODEL
        | {"n_layer": layers, "n_head": heads, "n_embd": width, "mlp_width": 4 * width, "block_size": block},
        "training": _TEXT_TRAINING,
    }
    for name, layers, heads, width, block in (
        ("tiny", 2, 2, 64, 64),
        ("small", 4, 4, 128, 128),
        ("dev", 6, 5, 320, 256),
    )
}
"""Byte-level language models: about 0.1, 0.8 and 7.5 million parameters."""


def build(preset: dict[str, Any], part: str, kind: type[Any], given: dict[str, Any], **more: Any) -> Any:
    """A `kind` from the preset's `part`, with the values that were given. Raises ConfigError for a bad one."""
    values = {**preset.get(part, {}), **more, **{key: value for key, value in given.items() if value is not None}}
    try:
        return kind(**values)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from None


def training_entry(training: Training) -> dict[str, Any]:
    """The manifest's `training`, without what only concerns the files."""
    entry = dataclasses.asdict(training) | {"optimizer": "adamw"}
    for name in ("keep_last", "max_disk", "checkpoint_every", "device", "threads", "schedule", "snapshot_every"):
        entry.pop(name)
    return entry
