"""The GPT-2 source: it needs a model of a certain shape, and no class of ours."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from etl.run.folder import Run
from strobe.record import Recorder, RecorderError
from strobe.record.adapters.gpt2 import Gpt2Source

L, H, C, F, V, T = 2, 2, 4, 8, 5, 3


@dataclass(frozen=True)
class Config:
    n_layer: int = L
    n_head: int = H
    n_embd: int = C
    mlp_width: int = F
    block_size: int = T
    vocab_size: int = V
    activation: str = "relu"
    layernorm: str = "none"
    layernorm_eps: float = 1e-5
    bias: bool = False
    tied_embeddings: bool = True

    def shapes(self) -> dict[str, tuple[tuple[str, ...], tuple[int, ...]]]:
        return {"wte": (("token", "channel"), (V, C)), "fcw": (("layer", "out", "in"), (L, F, C))}


@dataclass
class Pass:
    encoded: Tensor
    attention: list[Tensor]
    residual: list[Tensor]
    preactivation: list[Tensor]
    moments: list[tuple[Tensor, Tensor]] = field(default_factory=list)


class Stranger:
    """A model of somebody else's: what its forward pass leaves is filled with the first token."""

    def __init__(self) -> None:
        self.config = Config()
        shapes = {name: shape for name, (_, shape) in self.config.shapes().items()}
        self.parameters = {name: torch.ones(shape, requires_grad=True) for name, shape in shapes.items()}

    def get_parameter(self, target: str) -> Tensor:
        return self.parameters[target]

    def count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters.values())

    def observe(self, tokens: Tensor) -> Pass:
        (B, T), value = tokens.shape, float(tokens[0, 0])
        stream = [torch.full((B, T, C), value)] * L
        attention = [torch.full((B, H, T, T), value)] * L
        return Pass(stream[0], attention, stream, [torch.full((B, T, F), value - 3)] * L)


def test_a_model_of_the_right_shape_is_recorded_whoever_wrote_it(tmp_path: Path) -> None:
    model, batch = Stranger(), None
    optimizer = torch.optim.AdamW(list(model.parameters.values()))
    source = Gpt2Source(model, optimizer, torch.full((2, T), 1), lambda: batch)
    with Recorder(tmp_path / "r", source, when_full="wait") as recorder:
        assert recorder.snapshot(0), "there are no gradients yet, and all else is there"
        sum(parameter.sum() for parameter in model.parameters.values()).backward()
        assert recorder.snapshot(1)
        batch = torch.full((7, T), 4)
        assert recorder.snapshot(2)
    run = Run(tmp_path / "r")
    assert run.manifest.raw["model"]["n_params"] == V * C + L * F * C
    alone, beside = run.at(1), run.at(2)
    assert (alone["grads/fcw"] == 1).all()
    assert alone["optimizer/m_l2.fcw"].tolist() == [0, 0]
    assert (beside["attention/att"] == 1).all(), "the probe stays the probe"
    assert beside["attention/att"].shape == (L, 2, H, T, T)
    assert (alone["activations/residual_rms"].tolist(), beside["activations/residual_rms"].tolist()) == (
        [1] * L,
        [4] * L,
    )
    assert not alone["activations/unit_active"].any()
    assert beside["activations/unit_active"].all(), "over the batch, where there is one"


def test_another_source_stands_beside_it(tmp_path: Path) -> None:
    extra = ("rotation", "buffers", ("channel",), np.arange(3, dtype=np.float32))
    sources = [Gpt2Source(Stranger(), None, torch.zeros(1, T, dtype=torch.long)), extra]
    with Recorder(tmp_path / "r", sources) as recorder:
        recorder.finish()
    tensors = [tensor.name for tensor in Run(tmp_path / "r").manifest.snapshot.tensors]
    assert tensors[:2] == ["params/wte", "params/fcw"]
    assert "buffers/rotation" in tensors
    assert not any(name.startswith("optimizer/") for name in tensors)
    assert Run(tmp_path / "r").manifest.model.family == "gpt2"


@pytest.mark.parametrize("shape", [(17, 3), (2, 257)])
def test_a_probe_beyond_the_format_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(RecorderError, match=r"at most \[16, 256\] is recorded"):
        Gpt2Source(Stranger(), None, torch.zeros(shape, dtype=torch.long))


@pytest.mark.slow  # tests/test_imports.py holds the same arrows by reading; this loads torch twice
def test_recording_loads_no_training_and_training_no_recorder() -> None:
    for one, other in (("strobe.record.adapters.gpt2", "strobe.train"), ("strobe.train.loop", "strobe.record")):
        code = f"import sys, {one}; assert not [name for name in sys.modules if name.startswith({other!r})]"
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
