"""Small models of many kinds, each with a batch and a loss: what `strobe.watch` is to record with no further word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Made = tuple[nn.Module, Any, Callable[[nn.Module], Tensor]]
"""(model, what it can be given as a probe, its loss)."""

TOKENS = torch.randint(3, 16, (4, 12), generator=torch.Generator().manual_seed(0))


def _hugging_face(name: str, **options: Any) -> Made:
    import transformers

    sizes = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "vocab_size": 16, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "max_position_embeddings": 16,
        **options,
    }  # fmt: skip
    config = getattr(transformers, name.partition("For")[0].replace("LMHeadModel", "") + "Config")(**sizes)
    model = getattr(transformers, name)(config)
    if "image_size" in options:
        images = torch.randn(2, 3, 8, 8)
        labels = torch.tensor([0, 1])
        return model, {"pixel_values": images}, lambda m: m(pixel_values=images, labels=labels).loss
    return model, {"input_ids": TOKENS}, lambda m: m(input_ids=TOKENS, labels=TOKENS).loss


def _encoder() -> Made:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    data = torch.randn(3, 5, 8)
    return nn.TransformerEncoder(layer, 2), data, lambda m: m(data).square().mean()


def _cnn() -> Made:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(),
        nn.Linear(144, 3),
    )  # fmt: skip
    data = torch.randn(4, 1, 8, 8)
    return model, data, lambda m: F.cross_entropy(m(data), torch.tensor([0, 1, 2, 0]))


class _Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm, self.head = nn.Embedding(16, 8), nn.LSTM(8, 8, 2, batch_first=True), nn.Linear(8, 16)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.lstm(self.embed(tokens))[0])


class _Vae(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 8), nn.Linear(4, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, -1)
        return self.decoder(mean + torch.randn_like(mean) * (log_variance / 2).exp()), mean, log_variance


class _Moe(nn.Module):
    """Of four experts the router takes two, so that the others have no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.router, self.experts = nn.Linear(6, 4), nn.ModuleList([nn.Linear(6, 6) for _ in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        shares = self.router(x).mean(0)
        best = shares.topk(2).indices.tolist()
        return sum(shares[i] * self.experts[i](x) for i in best)  # type: ignore[return-value]


def _lstm() -> Made:
    return _Lstm(), TOKENS, lambda m: F.cross_entropy(m(TOKENS).flatten(0, 1), TOKENS.flatten())


def _vae() -> Made:
    data = torch.randn(5, 6)
    return _Vae(), data, lambda m: (m(data)[0] - data).square().mean() + m(data)[1].square().mean()


def _moe() -> Made:
    data = torch.randn(5, 6)
    return _Moe(), data, lambda m: m(data).square().mean()


def _compiled() -> Made:
    model, probe, loss = _encoder()
    return torch.compile(model, backend="aot_eager"), probe, loss  # type: ignore[return-value]


def _autocast() -> Made:
    model, probe, loss = _encoder()

    def under(m: nn.Module) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return loss(m)

    return model, probe, under


def _lora() -> Made:
    import peft

    model, probe, loss = _hugging_face("LlamaForCausalLM")
    return peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"])), probe, loss


MODELS: dict[str, Callable[[], Made]] = {
    "gpt2": lambda: _hugging_face("GPT2LMHeadModel"),
    "llama": lambda: _hugging_face("LlamaForCausalLM", num_key_value_heads=1),
    "bert": lambda: _hugging_face("BertForMaskedLM"),
    "mixtral": lambda: _hugging_face("MixtralForCausalLM", num_key_value_heads=1, num_local_experts=2),
    "vit": lambda: _hugging_face("ViTForImageClassification", image_size=8, patch_size=4, num_labels=2),
    "encoder": _encoder,
    "cnn": _cnn,
    "lstm": _lstm,
    "vae": _vae,
    "moe": _moe,
    "compiled": _compiled,
    "autocast": _autocast,
    "lora": _lora,
}
