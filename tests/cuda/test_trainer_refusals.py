"""What the C++ trainer refuses: one line, status 1, and nothing lost."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.support.cuda_programs import NEEDS_A_COMPILER
from tests.support.cuda_trainer import Program, agreement, checkpoint, shard

pytestmark = NEEDS_A_COMPILER


BAD = {
    "-b": "a value is missing",
    "--bogus 3": "unknown flag --bogus",
    "--laers 3": "did you mean --layers",
    "stray": "'stray' is not a flag",
    "-n zero": "'zero' is not a whole number",
    "-n 0": "out of range",
    "-n 99999999999999999999": "not a whole number",
    "-l nan": "'nan' is not a number",
    "-f -3": "out of range",
    "--tf32=yes": "takes no value",
    "--task chess": "give one of modadd, tokens",
    "--preset huge": "give one of grok",
    "": "-i is missing",
    "-i nowhere.bin": "no such file",
    "-i {shard} -t 30": "not divisible by 4",
    "-i {shard} -b 4 -t 8 --tokens-per-step 40": "not divisible by",
    "-i {shard} -b 64 -t 64": "too few tokens",
    "-i {shard} -b full": "no full batch",
    "-i {shard} -t 64 --block-size 32": "more than the model's 32",
    "-i {magic}": "no token shard",
    "-i {version}": "version is 9",
    "-i {cut}": "truncated or damaged",
    "-i {header}": "cut off inside its header",
    "-i {shard} -b 2 -t 8 --vocab-size 50": "holds token 60",
    "-i {shard} -e nowhere.bin": "no such file",
    "-i {shard} -e {shard}": "no checkpoint of llm.c",
    "-i {shard} -b 2 -t 8 -e {checkpoint_version}": "version is 5",
    "-i {shard} -b 2 -t 8 -e {checkpoint_cut}": "truncated or damaged",
    "-i {shard} -b 2 -t 8 -e {checkpoint_layers}": "truncated or damaged",
    "-i {shard} -b 2 -t 8 -e {checkpoint_negative}": "a size in its header is -1",
    "-i {shard} -b 2 -t 32 -e {checkpoint}": "more than the 16",
    "-i {shard} -k 10": "give -o DIR",
    "--preset grok -k 10 -o {out}": "cannot|LayerNorm",
    "--preset grok -i {shard}": "sums need no data",
    "--preset grok -t 4": "sums have 3 positions",
    "--preset grok --train-fraction 0": "leaves a split empty",
    "--preset grok --heads 3": "no multiple of 3 heads",
    "--preset grok --weight-decay 2000": "must stay below 1",
    "--preset grok --schedule 5-": "is not STEP",
    "--preset grok --schedule 0-10/0": "is not STEP",
    "--preset grok -e {checkpoint}": "need 98",
    "--preset grok -n 1 -d {shard}": "-d: ",
    "--preset grok -n 1 -o {shard}/x": "cannot be written",
    "-i {fifo}": "is not a file",
    "-i {shard} -e {fifo}": "no such file",
    "-i {shard} -e {checkpoint} --layers 2": "the model comes from -e",
    "--preset grok --vocab-size 5": "as many tokens as --modulus",
    "--preset grok --modulus 7 --width 30000 --heads 1 --layers 4 -n 1": "GB of memory",
    "-i {shard} --layers 16777216 --width 1048576 --heads 1 -t 4 --fc1-band 0": "more than 64 billion parameters",
    "--preset grok --beta1 1": "give 0 to 0.9999999",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_argument_gives_one_line_and_an_error(program: Program, tmp_path: Path, line: str) -> None:
    files = {
        "shard": shard(tmp_path / "shard.bin"),
        "magic": shard(tmp_path / "magic.bin", magic=1),
        "version": shard(tmp_path / "version.bin", version=9),
        "cut": shard(tmp_path / "cut.bin", cut=5),
        "header": shard(tmp_path / "header.bin", count=0, cut=100),
        "checkpoint": checkpoint(tmp_path / "good.bin"),
        "checkpoint_version": checkpoint(tmp_path / "cv.bin", version=5),
        "checkpoint_cut": checkpoint(tmp_path / "cc.bin", cut=4),
        "checkpoint_layers": checkpoint(tmp_path / "cl.bin", layers=2),
        "checkpoint_negative": checkpoint(tmp_path / "cn.bin", layers=-1),
        "out": tmp_path / "out",
        "fifo": tmp_path / "fifo",
    }
    os.mkfifo(files["fifo"])
    done = program(*line.format(**files).split())
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert any(part in done.stderr for part in BAD[line].split("|")), done.stderr


def test_a_second_run_into_the_same_folder_is_refused(program: Program, tmp_path: Path) -> None:
    flags = ["--preset", "grok", "--modulus", 11, "-n", 1, "-b", 4, "--width", 8, "-d", tmp_path / "run"]
    assert program(*flags).returncode == 0
    done = program(*flags)
    assert done.returncode == 1
    assert "holds a run already" in done.stderr


def test_a_refused_start_leaves_the_log_of_the_first_run(program: Program, tmp_path: Path) -> None:
    flags = ["--preset", "grok", "--modulus", 11, "-n", 1, "-b", 4, "--width", 8, "-o", tmp_path / "out"]
    assert program(*flags, "-d", tmp_path / "run").returncode == 0
    log = (tmp_path / "out" / "main.log").read_text()
    assert "is there already" in program(*flags, "-d", tmp_path / "other").stderr
    assert not (tmp_path / "other" / "manifest.json").exists()
    assert (tmp_path / "out" / "main.log").read_text() == log


def _damage(start: Path, manifest: dict, kind: str) -> None:  # noqa: PLR0912  (one short branch each)
    """One thing wrong with a snapshot that a training would start from; what is not meant is kept right."""
    data = bytearray(start.read_bytes())
    tensors, model = manifest["snapshot"]["tensors"], manifest["model"]
    if kind == "cut":
        data = data[: len(data) // 2]
    elif kind == "payload":
        data[-70] ^= 1
    elif kind == "step":
        data[8] = 3
        agreement.sign(data)
    elif kind == "format":
        manifest["format"] = "zip"
    elif kind == "version":
        manifest["version"] = 99
    elif kind == "bytes":
        manifest["snapshot"]["bytes"] += 64
    elif kind == "shape":
        tensors[0]["shape"] = [str(size) for size in tensors[0]["shape"]]
    elif kind == "offset":
        tensors[0]["offset"] = 128
    elif kind == "width":
        model["mlp_width"] = 16777215
    elif kind == "huge":
        model.update(n_layer=2**23, n_embd=2**21, mlp_width=2**20, fc1_band=0)
    elif kind == "activation":
        model["activation"] = "\x1b[31mrelu"
    elif kind == "eps":
        model["layernorm_eps"] = -1
    elif kind == "eps missing":
        del model["layernorm_eps"]
    else:
        manifest["run"]["name"] = "another"
    text = json.dumps(manifest).encode()
    if kind != "another manifest":
        data[40:48] = agreement.fnv1a64(text).to_bytes(8, "little")
        if kind not in ("payload", "cut"):
            agreement.sign(data)
        else:
            data[60:64] = zlib.crc32(data[:60]).to_bytes(4, "little")
    (start.parent / "manifest.json").write_bytes(text)
    start.write_bytes(data)


@pytest.mark.parametrize(
    ("kind", "words"),
    {
        "cut": "truncated", "payload": "payload crc", "step": "another step", "format": "format",
        "version": "version", "bytes": "not as long", "shape": "not an integer",
        "offset": "lies where it must not", "width": "too short",
        "huge": "more than 64 billion", "activation": "activation is not", "eps": "layernorm_eps",
        "eps missing": "layernorm_eps", "another manifest": "another manifest",
    }.items(),
)  # fmt: skip
def test_a_damaged_snapshot_is_no_start(program: Program, tmp_path: Path, kind: str, words: str) -> None:
    case = agreement.small_cases(tmp_path)[0]
    start = agreement.write_start(tmp_path / "start", agreement.GPT(case.config))
    _damage(start, json.loads((tmp_path / "start" / "manifest.json").read_bytes()), kind)
    done = program(*case.flags, "-e", start, "-n", 1)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "\x1b" not in done.stderr


def test_a_checkpoint_that_cannot_be_written_does_not_end_the_training(program: Program, tmp_path: Path) -> None:
    shard(tmp_path / "shard.bin")
    sizes = ["--layers", 1, "--heads", 2, "--width", 8, "--vocab-size", 61, "--block-size", 8]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model_00000001.bin").mkdir()
    done = program("-i", tmp_path / "shard.bin", "-b", 2, "-t", 8, *sizes, "-n", 2, "-k", 1, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "model_00000001.bin: cannot be written" in done.stderr
    assert (tmp_path / "out" / "model_00000002.bin").is_file()


@pytest.mark.parametrize("flips", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_no_flipped_bit_of_a_checkpoint_is_trained_on(program: Program, tmp_path: Path, flips: int) -> None:
    """At places drawn at random, in the header too; what has no checksum, as llm.c's own, is taken."""
    tiny = ["-i", shard(tmp_path / "shard.bin"), "-b", 2, "-t", 8, "-n", 2]
    first = checkpoint(tmp_path / "llmc.bin")
    made = program(*tiny, "-e", first, "-k", 1, "-o", tmp_path / "out")
    assert made.returncode == 0, made.stderr
    whole, start = (tmp_path / "out" / "model_00000001.bin").read_bytes(), tmp_path / "start.bin"
    start.write_bytes(whole)
    assert program(*tiny, "-e", start).returncode == 0
    random = np.random.default_rng(0)
    for place in [*random.integers(8 * 32, 8 * len(whole), flips), 8 * 1016, 8 * 1020, 8 * 512]:
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << int(place) % 8
        start.write_bytes(damaged)
        refused = program(*tiny, "-e", start)
        assert refused.returncode == 1
        remedy = "put a copy of it back, or start from another file"
        said = f"train_gpt2_fp32: {start}: is damaged: its checksum does not fit its bytes; {remedy}\n"
        assert refused.stderr == said


def test_a_run_that_recorded_nothing_is_started_over_and_a_lock_taken_over(program: Program, tmp_path: Path) -> None:
    run = tmp_path / "run"
    tiny = ["--preset", "grok", "--modulus", 7, "--width", 8, "--heads", 2, "-n", 1, "-d", run]
    assert program(*tiny).returncode == 0
    assert "holds a run already" in program(*tiny).stderr
    for path in [*run.glob("step_*"), run / "metrics.jsonl"]:
        path.unlink()
    (run / ".recorder.lock").write_text(json.dumps({"pid": 7, "host": "far.example", "started": 0.0}))
    refused = program(*tiny)
    assert refused.returncode == 1
    assert "process 7 on far.example" in refused.stderr
    assert "give --take-over" in refused.stderr
    taken = program(*tiny, "--take-over")
    assert taken.returncode == 0, taken.stderr
    assert "began and recorded nothing; it is started over" in taken.stderr
    assert sorted(path.name for path in run.glob("step_*")) == ["step_000000.bin", "step_000001.bin"]
