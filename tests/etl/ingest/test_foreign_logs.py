"""Logs of other tools: what each quirk comes to, and that no damage crashes a reader or makes a value up."""

from __future__ import annotations

import dataclasses
import gzip
import itertools
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from etl.errors import StrobeError
from etl.ingest.find import find, looks_like, survey
from etl.ingest.load import ingest
from etl.ingest.mapping import Given
from etl.ingest.names import chosen, in_order, renamed
from etl.ingest.source import Recording, Scalars, State
from etl.ingest.sources.table_csv import TableCsv
from etl.store.catalogue import Store
from strobe.cli import app
from tests.support.effort import tries
from tests.support.foreign_logs import FOREIGN, llmc_stdout, trainer_row
from tests.support.impostors import STAGES

Write = Callable[[str, bytes | str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_to(name: str, data: bytes | str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write_to


def stored(recording: Recording, since: State = {}) -> Scalars:  # noqa: B006
    """A reading, its metrics under the names that the store has."""
    log = recording.scalars(since)
    names = chosen(in_order(log.rows), {}, recording.metric_names())
    return dataclasses.replace(log, rows=renamed(log.rows, names))


def read(path: Path) -> Scalars:
    (recording,) = find(path)
    return stored(recording)


def values(rows: pa.Table, name: str) -> dict[int, float]:
    """step -> value of the rows that count."""
    return {row["step"]: row["value"] for row in rows.to_pylist() if row["name"] == name and row["attempt"] >= 0}


def test_the_step_that_llmc_prints_is_one_later_than_that_of_its_log(write: Write) -> None:
    printed = read(write("a.log", b"".join(map(llmc_stdout, range(6))) + b"val loss 3.500000\n"))
    assert list(values(printed.rows, "train_loss")) == [0, 1, 2, 3, 4, 5]
    # An evaluation is of the model that the line after it begins from; the last one, of all updates.
    assert values(printed.rows, "val_loss") == {0: 8.1, 4: pytest.approx(3.677709), 6: 3.5}


def test_an_evaluation_waits_for_the_step_that_comes_after_it(write: Write) -> None:
    path = write("a.log", b"| max_steps | 5 |\n" + llmc_stdout(0) + llmc_stdout(1) + b"x\n")
    (recording,) = find(path)
    path.write_bytes(b"val loss 8.100000\nval loss 7.000000\n")
    first = stored(recording)
    assert first.rows.num_rows == 0, "nothing tells its step so far"
    with path.open("ab") as file:
        file.write(llmc_stdout(1))
    second = stored(recording, first.resume_from)
    assert values(second.rows, "val_loss") == {1: 7.0}


def test_the_words_of_a_log_are_kept(write: Write, tmp_path: Path) -> None:
    ingest([write("a.log", "s:0 tel:11.0\ns:0 trl:11.5 lr:0.1 norm:2.0\n")], tmp_path / "store")
    metrics = Store(tmp_path / "store").sql("SELECT name, source_name FROM metrics").to_pylist()
    assert {row["name"]: row["source_name"] for row in metrics} == {
        "val_loss": "tel", "train_loss": "trl", "learning_rate": "lr", "grad_norm": "norm",
    }  # fmt: skip


def test_a_run_of_nan_keeps_its_nan_and_its_device(write: Write) -> None:
    line = (
        "step    1/10 | loss     nan (+nanz)| norm nan (+nanz)| lr 8.57e-07 | 9.0 ms | -100.0% bf16 MFU | 5 tok/s\n"
    )
    table = (
        "| device                | A100  |\n| peak TFlops           | 312.0 |\n| num_layers L          | 12    |\n"
    )
    (recording,) = find(write("a.log", table + line))
    rows = stored(recording).rows
    assert str(values(rows, "train_loss")[0]) == "nan"
    assert values(rows, "mfu") == {}, "a peak that is not known gives no MFU"
    about = recording.about()
    assert (about.device, about.peak_flops, about.n_layer) == ("A100", 312e12, 12)


def test_a_log_behind_its_source_code_is_found(write: Write) -> None:
    code = 'print0(f"step:{step}/{train_steps} val_loss:{val_loss:.4f} train_time:{t:.0f}ms")\n' * 3_000
    log = read(write("a.txt", code + "step:0/10 val_loss:10.8 train_time:0ms step_avg:nanms\n"))
    assert values(log.rows, "val_loss") == {0: 10.8}
    assert not log.lost


def test_a_restart_is_another_attempt_and_the_last_value_counts(write: Write) -> None:
    lines = [
        f"iter {step}: loss {5 - step / 100}, time 1.0ms, mfu 1.0%\n" for step in (*range(0, 100, 10), 50, 60, 70)
    ]
    (recording,) = find(write("a.log", "".join(lines)))
    rows = stored(recording).rows
    assert [(attempt.attempt, attempt.step, attempt.cut_step) for attempt in recording.attempts()] == [
        (0, 0, 50),
        (1, 50, None),
    ]
    assert rows["attempt"].to_pylist()[:13] == [0] * 10 + [1] * 3


def test_ranks_that_lag_in_one_file_are_one_attempt(write: Write) -> None:
    steps = [5, 10, 5, 15, 10, 20, 15, 20]
    lines = [
        json.dumps({"current_steps": step, "total_steps": 50, "loss": place}) for place, step in enumerate(steps)
    ]
    (recording,) = find(write("log.jsonl", "\n".join(lines) + "\n"))
    rows = stored(recording).rows
    assert len(recording.attempts()) == 1
    assert values(rows, "train_loss") == {5: 2.0, 10: 4.0, 15: 6.0, 20: 7.0}


def test_the_mean_over_a_whole_training_is_no_value_of_its_last_step(write: Write) -> None:
    history = [
        {"loss": 0.5, "step": 10, "epoch": 1},
        {"eval_loss": "0.4", "eval_set2_loss": 0.3, "eval_f1": {"f1": 0.9}, "step": 10, "epoch": 1},
        {"train_loss": 1.5, "train_runtime": 60.0, "step": 10, "total_flos": 1e12},
    ]
    log = read(write("trainer_state.json", json.dumps({"log_history": history})))
    assert values(log.rows, "train_loss") == {10: 0.5}
    assert values(log.rows, "train_loss_mean") == {10: 1.5}
    assert values(log.rows, "val_loss") == {10: 0.4}, "a text that is a number is one"
    assert values(log.rows, "eval_set2_loss") == {10: 0.3}


def test_a_folder_of_checkpoints_is_one_run(write: Write) -> None:
    for step, count in ((100, 2), (200, 4)):
        state = {"global_step": step, "log_history": [trainer_row(place) for place in range(count)]}
        write(f"bert/checkpoint-{step}/trainer_state.json", json.dumps(state))
    path = write("bert/checkpoint-100/rng_state.pth", b"PK").parents[1]
    found = survey(path)
    (recording,) = found.recordings
    assert (recording.run_id, recording.scalars({}).rows.num_rows) == ("bert", 11)
    assert [file.name for file in found.passed_over] == ["rng_state.pth"]


def test_what_is_left_of_a_cut_document_is_read(write: Write) -> None:
    whole = json.dumps({"log_history": [trainer_row(place) for place in range(4)], "global_step": 40})
    log = read(write("trainer_state.json", whole[: whole.rindex("eval_loss")]))
    assert list(values(log.rows, "train_loss")) == [10, 20, 30]
    assert "no whole JSON document" in log.lost[0].reason


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: gzip.compress(text.encode()),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: gzip.compress(text.encode("utf-16")),
    ],
)
def test_text_is_read_however_it_was_written(write: Write, encode: Callable[[str], bytes]) -> None:
    text = "".join(f"s:{step} trl:{9 - step:.4f} lr:0.000001 norm:14.96\n" for step in range(5))
    assert values(read(write("a.log", encode(text))).rows, "train_loss") == {step: 9.0 - step for step in range(5)}
    table = "step,loss\n" + "".join(f'{step},"{1_000 * (9 - step):,}"\n' for step in range(5))
    assert values(read(write("a.csv", encode(table))).rows, "train_loss") == {
        step: 1e3 * (9 - step) for step in range(5)
    }


def test_a_cut_archive_gives_what_it_holds(write: Write) -> None:
    text = "".join(f"s:{step} trl:{9 - step / 1e4:.6f} lr:{os.urandom(4).hex()}\n" for step in range(9_000))
    text = re.sub(r"lr:\w+", "lr:0.1 norm:1.0", text)
    data = gzip.compress(text.encode())
    path = write("a.log.gz", data[: len(data) // 2])
    log = read(path)
    assert 0 < len(values(log.rows, "train_loss")) < 9_000
    assert "unpacked" in log.lost[-1].reason
    (recording,) = find(path)
    assert recording.scalars(log.resume_from).lost == [], "it was told once"


_FIELD = st.one_of(
    st.sampled_from(["", "1", "0.5", "-3e-2", "nan", "NaN", "inf", "1e999", "x", " 2", "1,5", "1_0", "+4", "0x10",
                     "1e11", "1.7e15"]),
    st.floats(allow_nan=False, allow_infinity=False).map(repr), st.integers(-9, 2**60).map(str),
)  # fmt: skip


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.tuples(st.one_of(st.integers(0, 50).map(str), _FIELD), _FIELD, _FIELD), max_size=4),
    quoted=st.lists(st.integers(0, 14), max_size=2) | st.just([*range(15)]),
    end=st.sampled_from(["\n", "\n", "\r\n"]),
)
def test_rows_that_are_read_at_once_are_those_that_are_read_one_by_one(
    tmp_path: Path, rows: list[tuple[str, ...]], quoted: list[int], end: str
) -> None:
    fields = ["0", "1.5", "1700000000", *itertools.chain.from_iterable(rows)]
    for place in quoted:
        if place < len(fields):
            fields[place] = f'"{fields[place]}"'
    lines = [",".join(fields[start : start + 3]) for start in range(0, len(fields), 3)]
    path = tmp_path / "a.csv"
    path.write_bytes(("step,loss,time\n" + "".join(f"{line}{end}" for line in lines)).encode())
    at_once = TableCsv(path).scalars({})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TableCsv, "_take_columns", lambda *_: False)
        one_by_one = TableCsv(path).scalars({})
    assert repr(at_once.rows.to_pylist()) == repr(one_by_one.rows.to_pylist())
    assert (at_once.lost, at_once.resume_from) == (one_by_one.lost, one_by_one.resume_from)


def test_a_chart_of_several_runs_is_several_runs(write: Write, tmp_path: Path) -> None:
    path = write(
        "export.csv", '"Step","a - loss","a - loss__MIN","b 2 - loss"\n"0","1.5","1","2.5"\n"1","","","2.25"\n'
    )
    ingest([path], tmp_path / "store")
    rows = Store(tmp_path / "store").sql("SELECT run, step, value FROM scalars ORDER BY ALL").to_pylist()
    assert [tuple(row.values()) for row in rows] == [("a", 0, 1.5), ("b-2", 0, 2.5), ("b-2", 1, 2.25)]


def test_a_table_is_read_as_a_person_says(write: Write, tmp_path: Path) -> None:
    path = write("odd.csv", "when;n;value\n2024-01-01T00:00:00+00:00;1;0,5\n2024-01-01T00:00:10+00:00;2;0,25\n")
    with pytest.raises(StrobeError, match="table of when, n, value: say which one is the step by --step"):
        find(path)
    told = Given({"step": "n", "time": "when"}, {"value": "train_loss"})
    ingest([path], tmp_path / "store", given=told)
    rows = Store(tmp_path / "store").sql("SELECT name, step, value, time FROM scalars ORDER BY step").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("train_loss", 1, 0.5, 1704067200.0),
        ("train_loss", 2, 0.25, 1704067210.0),
    ]


def test_a_table_without_an_end_of_line_loses_nothing(write: Write, tmp_path: Path) -> None:
    store = tmp_path / "store"
    path = write("a.csv", "step,loss\n0,1.5\n1,1.2")
    assert ingest([path], store)[0].metrics == 2
    assert not ingest([path], store)[0].changed
    path.write_text("step,loss\n0,1.5\n1,1.25\n2,1.0\n")
    ingest([path], store)
    assert Store(store).sql("SELECT value FROM scalars ORDER BY step")["value"].to_pylist() == [1.5, 1.25, 1.0]


def test_a_mixed_folder_gives_what_it_holds(tmp_path: Path) -> None:
    for name, example in FOREIGN.items():
        (tmp_path / "logs" / name).mkdir(parents=True)
        example.stage(tmp_path / "logs" / name, STAGES)
    (tmp_path / "logs" / "train.py").write_text("import torch\n")
    (tmp_path / "logs" / ".git").mkdir()
    (tmp_path / "logs" / ".git" / "log.csv").write_text("step,loss\n1,2\n")
    found = survey(tmp_path / "logs")
    assert sorted(each.source for each in found.recordings) == sorted(FOREIGN)
    assert found.kinds_passed_over == "1 .py"
    assert {each.source for each in survey(f"{tmp_path}/logs/*nanogpt*").recordings} == {
        "nanogpt", "build_nanogpt", "build_nanogpt_stdout", "modded_nanogpt",
    }  # fmt: skip


_NUMBERS = re.compile(rb"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def written(data: bytes) -> set[float]:
    """Every number that stands somewhere in a file, or at the end of one, in the units that readers give: as it is,
    a fraction for a percentage, bytes for gigabytes."""
    found = set()
    for match in _NUMBERS.finditer(data):
        texts = [match[0][start:] for start in range(len(match[0]))]
        # A comma may also stand between two numbers.
        texts += match[0].split(b",")
        found |= {text.replace(b",", mark) for text in texts if _NUMBERS.fullmatch(text) for mark in (b"", b".")}
    plain = {float(text) for text in found if text.count(b".") < 2}
    return plain | {number / 100 for number in plain} | {number * 1e9 for number in plain}


PACKED = ("tensorboard", "wandb_offline", "mlflow_database", "trackio", "table_parquet", "neptune_parquet")
"""Sources of files whose numbers are no text."""


def packed(data: bytes) -> set[float]:
    """Every number that begins at any byte of a file, as text, as a float and as one of SQLite's integers."""
    found = written(data) | {0.0, 1.0}
    found |= {
        float(int.from_bytes(data[at : at + n], signed=True)) for n in (3, 6) for at in range(len(data) - n + 1)
    }
    for kind in ("<f4", "<f8", ">f8", ">i1", ">i2", ">i4", ">i8"):
        size = np.dtype(kind).itemsize
        for start in range(size):
            count = max(0, len(data) - start) // size
            with np.errstate(invalid="ignore"):
                found |= set(np.frombuffer(data, kind, count, start).astype(np.float64).tolist())
    return found


@pytest.mark.parametrize("name", sorted(FOREIGN))
@settings(max_examples=tries(6, 15), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_damage_crashes_a_reader_or_makes_a_value_up(name: str, tmp_path: Path, data: st.DataObject) -> None:
    whole = FOREIGN[name].stage(tmp_path, STAGES).read_bytes()
    other = FOREIGN[data.draw(st.sampled_from(sorted(FOREIGN)))].stage(tmp_path, STAGES).read_bytes()
    cut, at = (data.draw(st.integers(0, len(whole))) for _ in range(2))
    damage = data.draw(st.sampled_from(["cut", "splice", "flip", "drop"]))
    damaged = {
        "cut": whole[:cut],
        "splice": whole[:cut] + other[at % (len(other) + 1) :],
        "flip": whole[:cut] + data.draw(st.binary(min_size=1, max_size=4)) + whole[cut + 1 :],
        "drop": whole[: min(cut, at)] + whole[max(cut, at) :],
    }[damage]
    path = tmp_path / "damaged"
    path.write_bytes(damaged)
    try:
        recordings: list[Recording] = find(path)
    except StrobeError:
        return
    for recording in recordings:
        assert recording.run_id
        try:
            rows = stored(recording).rows
        except StrobeError:
            continue
        recording.about(), recording.attempts()
        finite = {value for value in rows["value"].to_pylist() if abs(value) < float("inf")}
        there = packed(damaged) if recording.source in PACKED else written(damaged)
        assert finite <= there, finite - there


def test_a_store_beside_logs_is_no_log(write: Write, tmp_path: Path) -> None:
    write("a.csv", "step,loss\n0,1.5\n")
    for _ in range(2):
        (report,) = ingest([tmp_path], tmp_path / "store")
        assert report.run == "a"
    with pytest.raises(StrobeError, match="is a store"):
        find(tmp_path / "store")


def test_what_cannot_be_read_costs_no_other(write: Write, tmp_path: Path) -> None:
    write("logs/a/manifest.json", "{}")
    write("logs/b.log", "s:0 trl:9.0 lr:0.1 norm:2.0\n")
    first, second = ingest([tmp_path / "logs"], tmp_path / "store")
    assert (first.status, first.lost[0].file, second.metrics) == ("unread", "a", 3)
    with pytest.raises(StrobeError, match=r"manifest\.json"):
        ingest([tmp_path / "logs" / "a"], tmp_path / "store")


def test_what_was_left_out_is_in_the_store_and_in_words(write: Write, tmp_path: Path) -> None:
    path = write("a.log", "s:0 trl:9.0 lr:0.1 norm:2.0\ns:1 tr\n")
    store = tmp_path / "store"
    for line in ("s:2 trl:8.0 lr:0.1 norm:2.0\n", "s:3 trl\n", ""):
        ingest([path], store)
        with path.open("a") as file:
            file.write(line)
    (row,) = Store(store).sql("SELECT * FROM imports").to_pylist()
    assert (row["format"], row["rows"], row["skipped"]) == ("llmc_log", 6, 2)
    assert [where for where, _ in json.loads(row["reasons"])] == ["a.log line 2", "a.log line 4"]
    said = CliRunner().invoke(app, ["show", "a", "--store", str(store)]).output
    assert "2 left out, first: a.log line 2: not a whole line of its kind: 's:1 tr'" in said


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_a_file_may_be_called_whatever_a_disk_allows(name: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    (tmp_path / "logs").mkdir()
    whole, _ = FOREIGN[name].damaged(tmp_path / "logs")
    path = whole.rename(tmp_path / os.fsdecode(b"a\xff" + os.fsencode(whole.name)))
    (first,), (again,) = ingest([path], store), ingest([path], store)
    assert (bool(first.lost), again.changed) == (True, False)
    (row,) = Store(store).sql("SELECT path FROM imports").to_pylist()
    assert Path(row["path"]).name == f"a\ufffd{whole.name}"


def test_a_line_of_names_without_the_step_costs_what_is_under_it(write: Write) -> None:
    log = read(write("a.csv", "epoch,step,loss\n0,1,1.5\nepoch,loss\n0,1.4\nepoch,step,loss\n0,3,1.3\n"))
    assert values(log.rows, "train_loss") == {1: 1.5, 3: 1.3}
    assert [(loss.line, loss.reason) for loss in log.lost] == [(4, "no column step")]


@pytest.mark.parametrize("name", sorted(FOREIGN))
@pytest.mark.parametrize("data", [b"\xff", b"\0", b"\xed\xa0\x80", b"9" * 400, b"\r", b"{"], ids=repr)
@pytest.mark.slow
def test_no_byte_of_a_file_crashes_a_reader(name: str, data: bytes, tmp_path: Path) -> None:
    path = FOREIGN[name].stage(tmp_path, STAGES)
    whole = path.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 1_000)):
        path.write_bytes(whole[:at] + data + whole[at + 1 :])
        try:
            found = find(path)
            logs = [recording.scalars({}) for recording in found]
        except StrobeError:
            continue
        for recording, log in zip(found, logs, strict=True):
            recording.about(), recording.attempts(), recording.said, recording.resumes(log.resume_from)
            json.dumps(log.resume_from)


def test_two_columns_of_one_name_are_both_kept(write: Write) -> None:
    log = read(write("a.csv", "step,loss,loss,loss (2)\n0,1.5,2.5,3.5\n1,1.25,2.25,3.25\n"))
    assert values(log.rows, "train_loss") == {0: 1.5, 1: 1.25}
    assert values(log.rows, "loss (2)") == {0: 3.5, 1: 3.25}
    assert values(log.rows, "loss (3)") == {0: 2.5, 1: 2.25}


def test_a_table_that_is_passed_over_is_named_with_what_to_do(write: Write, tmp_path: Path) -> None:
    write("logs/a.csv", "step,loss\n0,1.5\n")
    write("logs/odd.csv", "n;value\n1;0,5\n")
    (said,) = survey(tmp_path / "logs").tables_passed_over
    assert said.endswith("odd.csv: it looks like a table of n, value: say which one is the step by --step NAME")


def test_a_sentence_with_a_comma_is_no_table(write: Write) -> None:
    path = write("stderr.log", "a.cu:18: int main(int, char**): Assertion failed.\nUsing a single GPU.\n")
    assert "it begins with 'a.cu:18: int main" in looks_like(path)
    assert "table of n, value" in looks_like(write("head.csv", "n,value\n"))


def test_a_restart_is_told_once(write: Write, tmp_path: Path) -> None:
    lines = [f"iter {step}: loss 2.5000, time 1.00ms, mfu 1.00%\n" for step in (*range(0, 100, 10), 50, 60)]
    path = write("a.log", "".join(lines[:10]))
    assert ingest([path], tmp_path / "store")[0].restarts == []
    path.write_text("".join(lines[:11]))
    said = CliRunner().invoke(app, ["ingest", str(path), "--store", str(tmp_path / "store")]).stderr
    assert "begun again at step 50: from there on the later attempt counts" in said
    path.write_text("".join(lines))
    assert ingest([path], tmp_path / "store")[0].restarts == []


@pytest.mark.parametrize("pack", [False, True])
def test_a_log_that_is_rotated_away_stays_the_run_that_it_was(write: Write, tmp_path: Path, pack: bool) -> None:
    def lines(steps: range) -> str:
        return "".join(f"iter {step}: loss 2.5000, time 1.00ms, mfu 1.00%\n" for step in steps)

    path, store = write("logs/gpt.log", lines(range(5))), tmp_path / "store"
    ingest([path.parent], store)
    path.rename(path.with_name("gpt.log.1"))
    if pack:
        write("logs/gpt.log.1.gz", gzip.compress(path.with_name("gpt.log.1").read_bytes()))
        path.with_name("gpt.log.1").unlink()
    write("logs/gpt.log", lines(range(5, 8)))
    assert [(each.run, each.metrics) for each in ingest([path.parent], store)] == [("gpt-2", 9), ("gpt", 0)]


@pytest.mark.parametrize("name", ["trainer_state", "training_logger", "table_csv", "table_jsonl", "wandb_history"])
@pytest.mark.parametrize("change", [lambda data: b"\xef\xbb\xbf" + data, lambda data: data.replace(b"\n", b"\n\n")])
def test_a_signature_and_blank_lines_cost_nothing(
    name: str, change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = FOREIGN[name].stage(tmp_path, STAGES)
    path.write_bytes(change(path.read_bytes()))
    (report,) = ingest([path], tmp_path / "store")
    assert (report.metrics, report.lost) == (FOREIGN[name].values, [])
