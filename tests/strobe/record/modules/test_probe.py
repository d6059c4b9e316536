"""What a probe's forward pass leaves: attention of any kind, activations, and a training that is as it was."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import strobe
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.record import RecorderError
from strobe.record.modules.attending import weights
from strobe.record.modules.capture import Capture
from tests.support.watched import faults, recorded, spec, trained


class Own(nn.Module):
    """Self-attention by hand, by `scaled_dot_product_attention`, or by torch's module."""

    def __init__(self, how: str, causal: bool = True) -> None:
        super().__init__()
        self.how, self.causal = how, causal
        self.qkv, self.mha = nn.Linear(8, 24), nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        if self.how == "mha":
            return self.mha(x, x, x, attn_mask=mask if self.causal else None, need_weights=False)[0]
        q, k, v = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.qkv(x).split(8, -1))
        if self.how == "sdpa":
            y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        else:
            scores = q @ k.transpose(-2, -1) / 2.0
            y = F.softmax(scores.masked_fill(mask, -math.inf) if self.causal else scores, dim=-1) @ v
        return y.transpose(1, 2).flatten(2)


class Stack(nn.Module):
    def __init__(self, how: str, causal: bool = True) -> None:
        super().__init__()
        self.emb = nn.Embedding(11, 8)
        self.attns = nn.ModuleList([Own(how, causal) for _ in range(2)])

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.emb(tokens)
        for attn in self.attns:
            x = x + attn(x)
        return x


TOKENS = torch.tensor([[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]])


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("how", ["hand", "sdpa", "mha"])
def test_attention_is_found_however_it_is_computed(tmp_path: Path, how: str, causal: bool) -> None:
    torch.manual_seed(0)
    model = Stack(how, causal)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    folder = tmp_path / "run"
    with strobe.watch(model, optimizer, folder, every=1, log=("params", "attention"), probe=TOKENS):
        trained(model, optimizer, lambda _: model(TOKENS).square().mean(), 1)
    att = recorded(folder, 0, "attention/att")
    assert att.shape == (2, 2, 2, 5, 5)
    np.testing.assert_allclose(att.sum(-1), 1, atol=1e-5)
    said = spec(folder, 0, "attention/att")
    assert said["causal"] is causal
    assert said["dims"] == ["layer", "probe", "head", "query", "key"]
    assert bool(np.triu(att, 1).any()) is not causal
    assert recorded(folder, 0, "probe/tokens").tolist() == TOKENS.tolist()
    assert faults(folder) == []


def test_weights_are_those_that_the_values_are_mixed_by() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 4, 3, 8), torch.randn(2, 2, 5, 8), torch.randn(2, 2, 5, 8)
    mask = torch.rand(3, 5) > 0.3
    mask[:, 0] = True
    for options in ({}, {"attn_mask": mask}, {"attn_mask": torch.randn(3, 5)}, {"is_causal": True}, {"scale": 0.3}):
        due = F.scaled_dot_product_attention(q, k, v, enable_gqa=True, **options)
        found = weights(q, k, v, enable_gqa=True, **options) @ v.repeat_interleave(2, 1)
        torch.testing.assert_close(found, due, atol=1e-5, rtol=1e-5)


def test_cross_attention_has_a_name_of_its_own(tmp_path: Path) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)

        def forward(self, x: Tensor, memory: Tensor) -> Tensor:
            return self.layer(x, memory)

    model = Model()
    probe = (torch.randn(1, 4, 8), torch.randn(1, 6, 8))
    folder = tmp_path / "run"
    with strobe.watch(model, None, folder, log="attention", probe=probe, causal={"layer.multihead_attn": False}):
        pass
    assert recorded(folder, 0, "attention/att").shape == (1, 1, 2, 4, 4)
    assert recorded(folder, 0, "attention/layer.multihead_attn").shape == (1, 2, 4, 6)
    assert spec(folder, 0, "attention/layer.multihead_attn")["causal"] is False


def test_an_encoder_of_torch_shows_what_its_fused_layer_hides(tmp_path: Path) -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
    with strobe.watch(model, None, tmp_path / "run", log="attention", probe=torch.randn(2, 4, 8)):
        pass
    att = recorded(tmp_path / "run", 0, "attention/att")
    assert att.shape == (2, 2, 2, 4, 4)
    assert spec(tmp_path / "run", 0, "attention/att")["causal"] is False


def test_activations_are_rows_of_each_module(tmp_path: Path) -> None:
    model = Stack("sdpa")
    folder = tmp_path / "run"
    with strobe.watch(model, None, folder, log="activations", probe=TOKENS, exclude="*qkv"):
        pass
    ingest([folder], tmp_path / "store")
    found = Store(tmp_path / "store").sql("SELECT tensor, layer, n, l2 FROM tensors WHERE section = 'activations'")
    rows = {(row["tensor"], row["layer"]): row for row in found.to_pylist()}
    assert rows.keys() == {("emb", None), ("attns", 0), ("attns", 1)}
    with torch.no_grad():
        assert rows["emb", None]["l2"] == pytest.approx(float(model.emb(TOKENS).norm()))


def test_the_training_is_the_same_with_a_probe_and_without(tmp_path: Path) -> None:
    def losses(folder: Path | None) -> list[float]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
        model[1].eval()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loss = lambda _: model(torch.randn(6, 4)).square().mean()  # noqa: E731
        if folder is None:
            return trained(model, optimizer, loss, 5)
        log = ("params", "activations")
        with strobe.watch(model, optimizer, folder, every=1, log=log, probe=lambda m: m(torch.randn(3, 4))):
            found = trained(model, optimizer, loss, 5)
        assert (model.training, model[1].training, model[2].training) == (True, False, True)
        return found

    assert losses(tmp_path / "run") == losses(None)


def test_a_probe_that_fails_later_costs_no_parameter(tmp_path: Path) -> None:
    model = Stack("sdpa")
    calls: list[int] = []

    def probe(inner: Any) -> Any:
        calls.append(1)
        if len(calls) > 3:
            raise RuntimeError("no memory")
        return inner(TOKENS)

    folder = tmp_path / "run"
    with strobe.watch(model, None, folder, every=1, log=("params", "attention"), probe=probe) as run:
        run.step()
        run.step()
    assert recorded(folder, 2, "params/emb.weight").shape == (11, 8)
    assert "no memory" in spec(folder, 2, "attention/att")["missing"]


@pytest.mark.parametrize(
    ("probe", "message"), [(None, "wants a probe"), (torch.zeros(1, 2, 3, 4), "Error"), (7, "Error")]
)
def test_a_probe_that_does_not_fit_is_told_of_at_the_start(tmp_path: Path, probe: Any, message: str) -> None:
    model = Stack("hand")
    with pytest.raises(RecorderError, match=message):
        strobe.watch(model, None, tmp_path / "run", log="attention", probe=probe)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_statistics_of_attention_alone(tmp_path: Path) -> None:
    model = Stack("hand")
    folder = tmp_path / "run"
    with strobe.watch(model, None, folder, log="attention", keep="stats", probe=TOKENS):
        pass
    assert recorded(folder, 0, "stats/attention%2Fattns.1")[0] == 2 * 2 * 25


@pytest.mark.parametrize(
    ("name", "config", "causal"),
    [("GPT2LMHeadModel", "GPT2Config", True), ("LlamaForCausalLM", "LlamaConfig", True),
     ("BertForMaskedLM", "BertConfig", False)],
)  # fmt: skip
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_models_of_hugging_face(name: str, config: str, causal: bool, implementation: str) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {
        "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "vocab_size": 11, "bos_token_id": 1, "eos_token_id": 2, "num_key_value_heads": 1,
    }  # fmt: skip
    torch.manual_seed(0)
    made = getattr(transformers, config)(**sizes, attn_implementation=implementation)
    model = getattr(transformers, name)(made)
    found = Capture(model, {"input_ids": TOKENS}, outputs=False, attention=True).attention
    assert [tuple(tensor.shape) for tensor in found.values()] == [(2, 2, 5, 5)] * 2
    made._attn_implementation = "eager"
    due = getattr(transformers, name)(made)
    due.load_state_dict(model.state_dict())
    due = due.eval()(input_ids=TOKENS, output_attentions=True).attentions
    for mine, theirs in zip(found.values(), due, strict=True):
        torch.testing.assert_close(mine, theirs.detach(), atol=1e-6, rtol=1e-5)
        assert bool(mine.triu(1).any()) is not causal
