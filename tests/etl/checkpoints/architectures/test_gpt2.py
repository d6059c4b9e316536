"""One GPT-2 as Hugging Face, nanoGPT, TransformerLens and llm.c write it: the same tensors under llm.c's names, and
the same statistics, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etl.checkpoints.run import open_run
from etl.ingest.load import ingest
from etl.run.names import run_id
from etl.store.catalogue import Store
from tests.support.checkpoints import gpt2_arrays, llmc_bytes, safetensors

Arrays = dict[str, Any]
V, HEADS = 13, 2
_OF_LAYER = {
    "ln1w": "ln_1.weight", "ln1b": "ln_1.bias", "qkvw": "attn.c_attn.weight", "qkvb": "attn.c_attn.bias",
    "attprojw": "attn.c_proj.weight", "attprojb": "attn.c_proj.bias", "ln2w": "ln_2.weight", "ln2b": "ln_2.bias",
    "fcw": "mlp.c_fc.weight", "fcb": "mlp.c_fc.bias", "fcprojw": "mlp.c_proj.weight", "fcprojb": "mlp.c_proj.bias",
}  # fmt: skip
_OUTSIDE = {"wte": "wte.weight", "wpe": "wpe.weight", "lnfw": "ln_f.weight", "lnfb": "ln_f.bias"}


def arrays(step: int) -> Arrays:
    made = gpt2_arrays(seed=step)
    return made | {"wte": made["wte"][:V]}


def named(of: Arrays, *, turned: bool) -> Arrays:
    """GPT-2's own names; `turned`: its matrices are (in, out), as Conv1D has them."""
    found = {name: of[place] for place, name in _OUTSIDE.items()}
    for place, name in _OF_LAYER.items():
        for layer, value in enumerate(of[place]):
            found[f"h.{layer}.{name}"] = value.T if turned and value.ndim == 2 else value
    return found


def hugging_face(folder: Path, step: int) -> None:
    place = folder / f"checkpoint-{step}"
    place.mkdir(parents=True)
    (place / "model.safetensors").write_bytes(safetensors(named(arrays(step), turned=True)))
    config = {"model_type": "gpt2", "n_head": HEADS, "n_embd": 8, "n_inner": None}
    (place / "config.json").write_text(json.dumps(config))


def hugging_face_pytorch(folder: Path, step: int) -> None:
    place = folder / f"checkpoint-{step}"
    place.mkdir(parents=True)
    state = {
        f"transformer.{name}": torch.from_numpy(x.copy()) for name, x in named(arrays(step), turned=True).items()
    }
    state["lm_head.weight"] = state["transformer.wte.weight"]
    state |= {f"transformer.h.{layer}.attn.bias": torch.ones(1, 1, 6, 6).tril() for layer in range(2)}
    torch.save(state, place / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps({"n_head": HEADS, "n_embd": 8}))


def nanogpt(folder: Path, step: int) -> None:
    folder.mkdir(exist_ok=True)
    plain = named(arrays(step), turned=False)
    state = {f"_orig_mod.transformer.{name}": torch.from_numpy(value.copy()) for name, value in plain.items()}
    state["_orig_mod.lm_head.weight"] = state["_orig_mod.transformer.wte.weight"]
    settings = {"n_layer": 2, "n_head": HEADS, "n_embd": 8, "block_size": 6, "bias": True, "vocab_size": V}
    adam = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    saved = {"model": state, "optimizer": adam, "model_args": settings, "iter_num": step, "config": {"seed": 1}}
    torch.save(saved, folder / f"ckpt_{step}.pt")


def transformer_lens(folder: Path, step: int) -> None:
    folder.mkdir(exist_ok=True)
    of = {name: torch.from_numpy(value.copy()) for name, value in arrays(step).items()}
    state = {"embed.W_E": of["wte"], "pos_embed.W_pos": of["wpe"], "ln_final.w": of["lnfw"], "ln_final.b": of["lnfb"]}
    for layer in range(2):
        q, k, v = of["qkvw"][layer].reshape(3, HEADS, 4, 8).transpose(2, 3)
        bq, bk, bv = of["qkvb"][layer].reshape(3, HEADS, 4)
        inside = {
            "attn.W_Q": q, "attn.W_K": k, "attn.W_V": v, "attn.b_Q": bq, "attn.b_K": bk, "attn.b_V": bv,
            "attn.W_O": of["attprojw"][layer].T.reshape(HEADS, 4, 8), "attn.b_O": of["attprojb"][layer],
            "mlp.W_in": of["fcw"][layer].T, "mlp.b_in": of["fcb"][layer],
            "mlp.W_out": of["fcprojw"][layer].T, "mlp.b_out": of["fcprojb"][layer],
            "ln1.w": of["ln1w"][layer], "ln1.b": of["ln1b"][layer],
            "ln2.w": of["ln2w"][layer], "ln2.b": of["ln2b"][layer],
        }  # fmt: skip
        state |= {f"blocks.{layer}.{name}": value for name, value in inside.items()}
    state |= {"unembed.W_U": of["wte"].T, "unembed.b_U": torch.zeros(V)}
    torch.save(state, folder / f"step{step}.pth")
    (folder / "config.json").write_text('{"act_fn": "gelu_new", "normalization_type": "LN"}')


def llmc(folder: Path, step: int) -> None:
    folder.mkdir(exist_ok=True)
    data = llmc_bytes(gpt2_arrays(seed=step), heads=HEADS, positions=6, vocabulary=V)
    (folder / f"model_{step:05d}.bin").write_bytes(data)


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "hugging_face": hugging_face,
    "hugging_face_pytorch": hugging_face_pytorch,
    "nanogpt": nanogpt,
    "transformer_lens": transformer_lens,
    "llmc": llmc,
}
STEPS = (0, 10)


def written(folder: Path, kind: str) -> Path:
    for step in STEPS:
        WRITERS[kind](folder / kind, step)
    return folder / kind


@pytest.mark.parametrize("kind", WRITERS)
def test_its_tensors_lie_as_llmc_has_them(kind: str, tmp_path: Path) -> None:
    run = open_run(written(tmp_path, kind))
    model = run.manifest.raw["model"]
    told = {"family": "gpt2", "n_layer": 2, "n_head": HEADS, "n_embd": 8, "mlp_width": 32, "block_size": 6}
    assert {key: model[key] for key in told} == told
    assert (model["vocab_size"], model["bias"], model["layernorm"]) == (V, True, "pre")
    assert model["tied_embeddings"] == (kind != "transformer_lens")
    assert model["activation"] == ("gelu" if kind == "nanogpt" else "gelu_tanh")
    for step in STEPS:
        snapshot = run.at(step)
        for name, value in arrays(step).items():
            np.testing.assert_array_equal(snapshot[f"params/{name}"], value, err_msg=name)
        np.testing.assert_array_equal(snapshot.read("params/fcw", 1, [3, 0]), arrays(step)["fcw"][1][[3, 0]])
    own = [name for name in run.at(0).names if name.startswith("params/") and name[7:] not in arrays(0)]
    assert own == (["params/unembed", "params/unembedb"] if kind == "transformer_lens" else [])


def test_their_statistics_are_equal(tmp_path: Path) -> None:
    ingest([written(tmp_path, kind) for kind in WRITERS], tmp_path / "store")
    sql = "SELECT * EXCLUDE (run) FROM tensors WHERE run = $1 AND section = 'params' AND tensor NOT LIKE 'unembed%'"
    store = Store(tmp_path / "store")
    of = {kind: store.sql(f"{sql} ORDER BY tensor, layer, step", [run_id(kind)]) for kind in WRITERS}
    assert of["llmc"].num_rows == 2 * (12 * 2 + 4)
    for kind in WRITERS:
        assert of[kind].to_pylist() == of["llmc"].to_pylist(), kind


def test_without_its_settings_nothing_is_made_up(tmp_path: Path) -> None:
    folder = written(tmp_path, "hugging_face")
    for step in STEPS:
        (folder / f"checkpoint-{step}" / "config.json").unlink()
    run = open_run(folder)
    assert run.manifest.raw["model"]["family"] == "gpt2 without its settings"
    assert "n_head" not in run.manifest.raw["model"]
    np.testing.assert_array_equal(run.at(0)["params/qkvw"], arrays(0)["qkvw"])


def test_a_layer_that_is_of_another_size_keeps_its_own_names(tmp_path: Path) -> None:
    state = {f"transformer.{name}": torch.from_numpy(x.copy()) for name, x in named(arrays(0), turned=True).items()}
    state["transformer.h.1.mlp.c_fc.weight"] = torch.zeros(8, 12)
    torch.save(state, tmp_path / "step1.pt")
    run = open_run(tmp_path)
    assert run.manifest.raw["model"]["family"] == "unknown"
    spec = run.at(1).spec("params/transformer.h.1.mlp.c_fc.weight")
    assert (spec["role"], spec["layer"], spec["group"]) == ("mlp_in", 1, "transformer.h.mlp.c_fc.weight")
