"""The numpy forward pass against PyTorch's, on hand-built models of every shape the format knows."""

from dataclasses import replace

import numpy as np
import pytest

from strobe.analysis.architecture import Architecture, weight_names
from strobe.analysis.forward import forward

torch = pytest.importorskip("torch")
model = pytest.importorskip("strobe.train.model")


def built(seed=0, **options):
    """A two-layer model with every parameter, biases and LayerNorm included, drawn at random."""
    config = model.ModelConfig(
        n_layer=2, n_head=2, n_embd=12, mlp_width=40, block_size=7, vocab_size=11, **options
    )  # fmt: skip
    gpt = model.GPT(config, seed=1)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in gpt.parameters():
            parameter.add_(0.4 * torch.randn(parameter.shape, generator=generator))
    params = {name: value.detach().numpy() for name, value in gpt.named_parameters()}
    names = ("n_layer", "n_head", "activation", "layernorm", "layernorm_eps", "tied_embeddings")
    return gpt, params, Architecture(**{name: getattr(config, name) for name in names})


TOKENS = np.random.default_rng(0).integers(0, 11, (9, 6))


@pytest.mark.parametrize("activation", ["gelu_tanh", "gelu", "relu"])
@pytest.mark.parametrize("layernorm", ["pre", "none"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("tied_embeddings", [True, False])
def test_everything_equals_pytorch(activation, layernorm, bias, tied_embeddings):
    gpt, params, architecture = built(
        activation=activation, layernorm=layernorm, bias=bias, tied_embeddings=tied_embeddings
    )  # fmt: skip
    taps = model.Taps()
    with torch.no_grad():
        logits = gpt(torch.from_numpy(TOKENS), taps=taps).numpy()
    for dtype, error in ((np.float32, 1e-5), (np.float64, 1e-5)):
        found = forward(params, architecture, TOKENS, dtype=dtype)
        scale = max(1.0, np.abs(logits).max())
        assert found.logits.dtype == dtype
        assert np.abs(found.logits - logits).max() <= error * scale
        for ours, theirs in (
            (found.attention, taps.attention),
            (found.preactivation, taps.preactivation),
            (found.residual, taps.residual),
        ):
            theirs = torch.stack(theirs).detach().numpy()
            assert ours.shape == theirs.shape
            assert np.abs(ours - theirs).max() <= error * max(1.0, np.abs(theirs).max())
        assert not found.attention[..., ~np.tri(6, dtype=bool)].any()


@pytest.mark.parametrize("activation", ["gelu_tanh", "gelu", "relu"])
def test_in_double_precision_it_equals_pytorch_to_rounding(activation):
    gpt, params, architecture = built(activation=activation, layernorm_eps=1e-6)
    taps = model.Taps()
    with torch.no_grad():
        logits = gpt.double()(torch.from_numpy(TOKENS), taps=taps).numpy()
    found = forward(params, architecture, TOKENS, dtype=np.float64)
    before = torch.stack(taps.preactivation)
    approximate = "tanh" if activation == "gelu_tanh" else "none"
    after = before.relu() if activation == "relu" else torch.nn.functional.gelu(before, approximate=approximate)
    for ours, theirs in (
        (found.logits, logits), (found.preactivation, before.numpy()), (found.activation, after.numpy()),
        (found.residual, torch.stack(taps.residual).numpy()), (found.attention, torch.stack(taps.attention).numpy()),
    ):  # fmt: skip
        assert np.abs(ours - theirs).max() <= 1e-12 * np.abs(theirs).max()


def test_a_row_that_does_not_vary_is_normed_to_its_bias():
    """LayerNorm's epsilon keeps 0 / 0 away, and large scores do not overflow."""
    _, params, architecture = built()
    params = params | {name: np.zeros_like(params[name]) for name in ("wte", "wpe", "attprojw", "attprojb")}
    params["qkvb"] = np.full_like(params["qkvb"], 1e3)
    found = forward(params, architecture, TOKENS[:1])
    expected = params["ln2b"][0] @ params["fcw"][0].T + params["fcb"][0]
    assert found.preactivation[0, 0, 3] == pytest.approx(expected, abs=1e-5)
    assert found.attention[0, 0, 0, 3] == pytest.approx([0.25] * 4 + [0] * 2)


def test_logits_of_ordinary_size_agree_absolutely():
    gpt, params, architecture = built()
    params = {name: value * np.float32(0.4) for name, value in params.items()}
    with torch.no_grad():
        for name, value in gpt.named_parameters():
            value.copy_(torch.from_numpy(params[name]))
        logits = gpt(torch.from_numpy(TOKENS)).numpy()
    assert np.abs(forward(params, architecture, TOKENS).logits - logits).max() <= 1e-5


@pytest.mark.parametrize("position", [-1, 5, 2, 0])
def test_one_position_is_the_same_as_in_the_whole(position):
    _, params, architecture = built()
    whole = forward(params, architecture, TOKENS)
    one = forward(params, architecture, TOKENS, position=position, batch=4)
    assert np.abs(one.logits - whole.logits[:, position]).max() < 1e-5
    at = range(6)[position]
    assert np.abs(one.attention - whole.attention[..., at, : at + 1]).max() < 1e-6
    assert np.abs(one.preactivation - whole.preactivation[:, :, at]).max() < 1e-5
    assert np.abs(one.activation - whole.activation[:, :, at]).max() < 1e-5
    assert np.abs(one.residual - whole.residual[:, :, at]).max() < 1e-5


@pytest.mark.parametrize("position", [None, -1, 3])
@pytest.mark.parametrize("layernorm", ["pre", "none"])
def test_more_sequences_than_tokens_give_the_same(position, layernorm):
    _, params, architecture = built(layernorm=layernorm)
    tokens = np.random.default_rng(1).integers(0, 11, (40, 6))
    many = forward(params, architecture, tokens, position=position, dtype=np.float64)
    few = forward(params, architecture, tokens, position=position, dtype=np.float64, batch=5)
    for one, other in zip(many, few, strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other).max() < 1e-11


def test_an_architecture_is_the_one_of_the_manifest():
    model = {"family": "gpt2", "n_layer": 3, "n_head": 2, "n_embd": 8, "activation": "relu", "layernorm": "none",
             "layernorm_eps": 1e-6, "tied_embeddings": False}  # fmt: skip
    assert Architecture.of(model) == Architecture(3, 2, "relu", "none", 1e-6, False)


def test_what_does_not_fit_is_refused():
    _, params, architecture = built()
    for tokens, message in (
        (np.full((1, 8), 1), "8 positions are more than the model's 7"),
        (np.full((1, 3), 11), r"not all in 0\.\.10"),
        (np.full((1, 3), 1.0), "not integers"),
        (np.array([[0, -1]]), r"tokens -1\.\.0 are not all"),
    ):
        with pytest.raises(ValueError, match=message):
            forward(params, architecture, tokens)
    with pytest.raises(ValueError, match="position 6"):
        forward(params, architecture, TOKENS, position=6)
    with pytest.raises(ValueError, match="position -7"):
        forward(params, architecture, TOKENS, position=-7)
    with pytest.raises(ValueError, match="layernorm 'post' is known"):
        Architecture(1, 1, "gelu", "post", 1e-5, True)
    with pytest.raises(KeyError, match="fcw"):
        forward({name: value for name, value in params.items() if name != "fcw"}, architecture, TOKENS)
    with pytest.raises(ValueError, match="'llama' has no forward pass"):
        Architecture.of({"family": "llama"})


ROLES = {"tok_emb": "token_embedding", "pos_emb": "position_embedding", "c_attn": "qkv", "c_proj": "attention_out",
         "up": "mlp_in", "down": "mlp_out", "head": "unembedding"}  # fmt: skip


def test_weights_are_placed_by_their_role():
    assert weight_names({**ROLES, "ln1w": "norm", "fcb": "bias", "extra": None, "mask": "other"}) == {
        "tok_emb": "wte", "pos_emb": "wpe", "c_attn": "qkvw", "c_proj": "attprojw", "up": "fcw", "down": "fcprojw",
        "head": "unembed", "ln1w": "ln1w", "fcb": "fcb",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"norm_1": "norm"}, "'norm_1', role norm, has no place"),
        ({"wte": "norm"}, "'wte', role norm, has no place"),
        ({"gate": "mlp_gate"}, "'gate', role mlp_gate, has no place"),
        ({"up2": "mlp_in"}, "two of its tensors have the role mlp_in"),
    ],
)
def test_a_weight_without_a_place_is_refused(more, reason):
    with pytest.raises(ValueError, match=reason):
        weight_names(ROLES | more)


def test_the_bias_of_the_unembedding_is_added():
    _, params, architecture = built(activation="relu", layernorm="pre", bias=False, tied_embeddings=False)
    bias = np.arange(11.0)
    plain = forward(params, architecture, TOKENS, dtype=np.float64).logits
    assert forward(params | {"unembedb": bias}, architecture, TOKENS, dtype=np.float64).logits == pytest.approx(
        plain + bias
    )


def test_neighbouring_heads_share_a_key_and_a_value():
    """Four heads of three channels, two of keys and values: those of heads 0 and 1 come first."""
    _, params, architecture = built()
    q, k, v = params["qkvw"][:, :12], params["qkvw"][:, 12:18], params["qkvw"][:, 24:30]
    bias = params["qkvb"][:, :12], params["qkvb"][:, 12:18], params["qkvb"][:, 24:30]
    shared = params | {"qkvw": np.concatenate([q, k, v], 1), "qkvb": np.concatenate(bias, 1)}

    def each_its_own(values):
        return np.concatenate([values[:, :3], values[:, :3], values[:, 3:], values[:, 3:]], axis=1)

    whole = params | {
        name: np.concatenate([parts[0], each_its_own(parts[1]), each_its_own(parts[2])], 1)
        for name, parts in (("qkvw", (q, k, v)), ("qkvb", bias))
    }
    found = forward(shared, replace(architecture, n_head=4, n_kv_head=2), TOKENS, dtype=np.float64)
    expected = forward(whole, replace(architecture, n_head=4), TOKENS, dtype=np.float64)
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-12)
    np.testing.assert_allclose(found.attention, expected.attention, atol=1e-12)
    with pytest.raises(ValueError, match="qkvw has 24 rows, not those of 4 heads of 3"):
        forward(shared, replace(architecture, n_head=4), TOKENS)
