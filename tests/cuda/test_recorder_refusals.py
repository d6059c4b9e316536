"""What the C++ recorder refuses at its opening, and the parts by which it judges: names, JSON, checksums."""

from __future__ import annotations

import json
import re
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.run.manifest import ManifestError, parse
from etl.run.snapshot import manifest_bytes
from strobe.record import run_id
from tests.support.cuda_programs import NEEDS_A_COMPILER
from tests.support.cuda_recorder import GPT2, Driver
from tests.support.effort import tries

pytestmark = NEEDS_A_COMPILER


def entry(**changes: Any) -> dict[str, Any]:
    return {"name": "params/x", "dims": ["a"], "shape": [3], "dtype": "float32", "file": "/dev/null"} | changes


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (entry(name="x"), {}, "must be section/tensor"),
    (entry(name="params/"), {}, "must be section/tensor"),
    (entry(name="params/../x"), {}, "no path"),
    (entry(name="params/a\\b"), {}, "no path"),
    (entry(name="params/."), {}, "no path"),
    (entry(name="params/a\u202eb"), {}, "control character U\\+202E"),
    (entry(name="params/a\nb"), {}, "control character U\\+000A"),
    (entry(name="params/" + "x" * 20_000), {}, r"tensor params/x{73}\.\.\. .*longer than 16384"),
    (entry(dims=["a", "a"], shape=[1, 2]), {}, "a stands twice"),
    (entry(dims=[""]), {}, "dims: a name is empty"),
    (entry(dims=["layer"], shape=[32_768]), {}, "32768 layers; at most 32767"),
    (entry(shape=[0]), {}, "shape: is 0 along a"),
    (entry(shape=[-4]), {}, "shape: is -4 along a"),
    (entry(dims=["a", "b"], shape=[2**40, 2**40]), {}, "larger than any file"),
    (entry(n_dims=0), {}, "1 to 8 axes"),
    (entry(n_dims=9), {}, "1 to 8 axes"),
    (entry(dtype="complex64"), {}, "complex64 is unknown; known are float32"),
    (entry(dtype="int32", l2_of=2), {}, "norms are float32 or float64"),
    (entry(l2_of=-1), {}, "l2_of: is -1"),
    (entry(l2_of=2**62), {}, "larger than any memory"),
    (entry(file=None), {}, "data: is NULL"),
    (entry(name="scalars/mfu"), {}, "stands twice"),
    (entry(), {"scalars": ["a/b"]}, "no path"),
    (entry(), {"model": "{"}, r"model: lacks a key \(byte 1\)"),
    (entry(), {"model": "[]"}, "model: is not a JSON object"),
    (entry(), {"model": {}}, "model.family: is missing"),
    (entry(), {"model": {"family": None}}, "model.family: is missing"),
    (entry(), {"model": {"family": "gpt2"}}, "model.n_layer: must be a whole number"),
    (entry(), {"model": GPT2 | {"n_layer": 1.0}}, "model.n_layer: must be a whole number"),
    (entry(), {"model": GPT2 | {"n_layer": 2**63}}, "model.n_layer: must be a whole number"),
    (entry(), {"model": GPT2 | {"bias": 1}}, "model.bias: must be true or false"),
    (entry(), {"model": GPT2 | {"activation": "swish"}}, "model.activation: must be"),
    (entry(), {"model": GPT2 | {"layernorm_eps": "1"}}, "model.layernorm_eps: must be a number"),
    (entry(), {"training": '{"a": 1, "a": 2}'}, "training: has a key twice"),
    (entry(), {"training": '{"a": NaN}'}, "training: is not JSON"),
    (entry(), {"training": '{"a": 1e999}'}, "beyond a double"),
    (entry(), {"name": "a\x07b"}, "run.name: holds the control character"),
    (entry(), {"queue": -1}, "queue must be"),
    (entry(), {"step": -1}, "a step is 0 to"),
]


@pytest.mark.parametrize(("tensor", "options", "why"), REFUSED)
def test_what_no_reader_would_take_is_refused_before_anything_is_written(
    long_lived: Driver, tmp_path: Path, tensor: dict[str, Any], options: dict[str, Any], why: str
) -> None:
    reason = long_lived.open(tmp_path / "r", [tensor], **options)
    assert reason is not None
    assert "\n" not in reason
    assert re.search(why, reason), reason
    assert not (tmp_path / "r").exists() or list((tmp_path / "r").iterdir()) == []


NAMES = st.text(st.characters(codec="utf-8", min_codepoint=1), max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=NAMES | st.sampled_from(["a/b/c", "..", "\u2028", "\x85", "\u200f"]),
    section=st.sampled_from(["params", "é"]),
)
def test_a_name_is_taken_where_the_manifest_may_hold_it(
    long_lived: Driver, tmp_path: Path, name: str, section: str
) -> None:
    """etl.run.manifest is the judge: what it refuses is refused here, and the other way round."""
    folder = tmp_path / "r"
    shutil.rmtree(folder, ignore_errors=True)
    reason = long_lived.open(folder, [entry(name=f"{section}/{name}", dims=[name])], scalars=[])
    long_lived.exchange("close")
    tensor = {"name": f"{section}/{name}", "section": section, "dims": [name], "shape": [3], "dtype": "float32"}
    run = {"id": "r", "name": "r", "created_at": 0.0, "writer": "w"}
    manifest = {"format": "strobe-snapshot", "version": 1, "run": run, "model": {"family": "other"}}
    manifest["snapshot"] = {"bytes": 128, "tensors": [tensor | {"offset": 64}]}
    if reason is None:
        parse(manifest_bytes(manifest), "judge")
    else:
        with pytest.raises(ManifestError):
            parse(manifest_bytes(manifest), "judge")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=tries(50, 150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, ascii_only=st.booleans())
def test_json_is_read_and_written_as_python_does(long_lived: Driver, value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert long_lived.exchange("parse", text) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


NOT_JSON = (
    "", "{", "[1,]", '{"a":1,}', "01", "+1", "1.", ".5", "1e", "NaN", "[1] 2", '{"a":1,"a":2}', "nul", "'a'", "{1:2}",
    '"\\x"', '"\\ud800"', '"\\udc00"', '"a\nb"', "[" * 80 + "]" * 80, "1" * 5000, "1e400",
)  # fmt: skip


@pytest.mark.parametrize("text", NOT_JSON)
def test_what_is_not_json_is_refused(long_lived: Driver, text: str) -> None:
    assert "error" in long_lived.exchange("parse", text)


@settings(max_examples=tries(50, 150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES | st.text("aZ9-._ \u0130\u212a", max_size=80))
def test_a_run_is_called_as_python_calls_it(long_lived: Driver, name: str) -> None:
    assert long_lived.exchange("run_id", name) == run_id(name)


def test_the_checksum_is_that_of_zlib(long_lived: Driver, tmp_path: Path) -> None:
    for size in (0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 191, 192, 1000, 70_001):
        data = np.random.default_rng(size).bytes(size)
        (tmp_path / "data").write_bytes(data)
        for cut in (0, 1, 5, 64, size):
            assert long_lived.exchange("crc", str(tmp_path / "data"), cut) == zlib.crc32(data)
