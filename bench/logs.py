"""How fast logs of other tools come into the store: see docs/benchmarks.md.

    python bench/logs.py [--megabytes 32] [--repeat 3] [--folder DIR] [--only KIND ...] [--events 1184000]

A file of each kind goes into an empty store by `strobe ingest`'s own function. Then an event file of TensorBoard,
beside TensorBoard's own reader of it where that is installed, each in a process of its own. All in processor seconds,
of which a busy machine takes no more than an idle one, but for what caches and memory cost.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from bars import said

from etl.ingest.load import ingest
from etl.ingest.reading.crc32c import masked_crc32c

MEGABYTES_PER_S = 20.0
TIMES_FASTER = 4.0
MOST_MEGABYTES = 300.0
TAGS = 1_184

Lines = Iterator[bytes]


def llmc_stdout(noise: np.ndarray) -> Lines:
    for step, value in enumerate(noise.tolist(), 1):
        if step % 250 == 1:
            yield b"val loss %.6f\n" % (value + 0.1)
        yield (
            b"step %4d/19560 | loss %7.6f (%+.2fz)| norm %6.4f (%+.2fz)| lr %.2e | %.2f ms | "
            b"%.1f%% bf16 MFU | %d tok/s\n"
            % (step, value, value, value / 3, -value, 6e-4 * value, 3700 + value, 37.4, 144_000 + step % 99)
        )


def nanogpt(noise: np.ndarray) -> Lines:
    for step, value in enumerate(noise.tolist()):
        if step % 250 == 0:
            yield b"step %d: train loss %.4f, val loss %.4f\n" % (step, value, value + 0.1)
        yield b"iter %d: loss %.4f, time %.2fms, mfu %.2f%%\n" % (step, value, 120 + value, 12.3)


def trainer_state(noise: np.ndarray) -> Lines:
    yield b'{\n  "best_metric": null,\n  "global_step": 500,\n  "log_history": ['
    for step, value in enumerate(noise.tolist(), 1):
        row = {"epoch": step / 977, "grad_norm": value, "learning_rate": 5e-5 * value, "loss": value, "step": step}
        yield b",\n" * (step > 1) + json.dumps(row, indent=2).encode()
    yield b"]}\n"


def llamafactory(noise: np.ndarray) -> Lines:
    for step, value in enumerate(noise.tolist(), 1):
        row = {
            "current_steps": step, "total_steps": 8712, "loss": value, "lr": 5e-6 * value, "epoch": step / 977,
            "percentage": 0.1, "elapsed_time": "0:03:29", "remaining_time": "1 day, 0:03:29",
        }  # fmt: skip
        yield json.dumps(row).encode() + b"\n"


def wandb_history(noise: np.ndarray) -> Lines:
    for step, value in enumerate(noise.tolist()):
        row = {
            "train/loss": value,
            "train/lr": value / 3,
            "_step": step,
            "_timestamp": 1.7e9 + step,
            "_runtime": step,
        }
        yield json.dumps(row).encode() + b"\n"


def lightning_csv(noise: np.ndarray) -> Lines:
    yield b"epoch,lr,step,train_loss,val_loss\n"
    for step, value in enumerate(noise.tolist()):
        if step % 250 == 249:
            yield b"%d,,%d,,%.17g\n" % (step // 999, step, value + 0.1)
        yield b"%d,%.17g,%d,%.17g,\n" % (step // 999, 6e-4 * value, step, value)


def keras_csv(noise: np.ndarray) -> Lines:
    yield b"epoch,accuracy,loss,val_accuracy,val_loss\n"
    for step, value in enumerate(noise.tolist()):
        yield b"%d,%.17g,%.17g,%.17g,%.17g\n" % (step, value / 9, value, value / 10, value + 0.1)


def wandb_chart(noise: np.ndarray) -> Lines:
    yield b'"Step","calm-sea-1 - train/loss","calm-sea-1 - train/loss__MIN","calm-sea-1 - train/loss__MAX"\n'
    for step, value in enumerate(noise.tolist()):
        yield b'"%d","%.17g","%.17g","%.17g"\n' % (step, value, value, value)


KINDS: dict[str, tuple[str, Callable[[np.ndarray], Lines]]] = {
    "llm.c's output": ("stdout.log", llmc_stdout),
    "nanoGPT's output": ("nano.log", nanogpt),
    "trainer_state.json": ("trainer_state.json", trainer_state),
    "trainer_log.jsonl": ("trainer_log.jsonl", llamafactory),
    "W&B's history": ("history.jsonl", wandb_history),
    "Lightning's metrics.csv": ("metrics.csv", lightning_csv),
    "Keras' CSVLogger": ("keras.csv", keras_csv),
    "W&B's chart": ("chart.csv", wandb_chart),
}

OURS = """
from etl.ingest.load import ingest
ingest([sys.argv[1]], sys.argv[2])
"""
THEIRS = """
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
accumulator = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
accumulator.Reload()
assert accumulator.Tags()["scalars"]
"""
MEASURED = """
import resource, sys
%s
used = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss, which has that of the process that started this one as well.
held = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(used.ru_utime + used.ru_stime, *held)
"""


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def read_s(path: Path, store: Path) -> float:
    before = cpu_s()
    (report,) = ingest([path], store)
    assert report.metrics, report
    assert not report.lost, report
    return cpu_s() - before


def of_kind(what: str, folder: Path, megabytes: float, repeat: int) -> bool:
    name, lines = KINDS[what]
    path = folder / "a-run" / name
    path.parent.mkdir(exist_ok=True)
    noise = 3 + np.random.default_rng(0).random(2_000)
    size = sum(map(len, lines(noise)))
    count = int(megabytes * 1e6 * len(noise) / size)
    path.write_bytes(b"".join(lines(3 + np.random.default_rng(0).random(count))))
    taken = min(read_s(path, folder / f"store-{name}-{turn}") for turn in range(repeat))
    speed = path.stat().st_size / taken / 1e6
    path.unlink()
    return said(what, speed, MEGABYTES_PER_S, "MB/s", most=False)


def measured(program: str, *arguments: Path) -> tuple[float, float]:
    """Processor seconds of a program, and the greatest memory that it held in MB."""
    command = [sys.executable, "-W", "ignore", "-c", MEASURED % program, *map(str, arguments)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    seconds, kibibytes = printed.stdout.split()
    return float(seconds), float(kibibytes) * 1024 / 1e6


def event_file(scalars: int) -> bytes:
    """An event a scalar, as torch's SummaryWriter writes them; each takes as many bytes as the others."""
    step, tag = np.divmod(np.arange(scalars), TAGS)
    tags = [f"layer{each // 16:03}/statistic{each % 16:02}".encode() for each in range(TAGS)]
    size = len(tags[0])
    value = bytes([0x0A, size]) + bytes(size) + b"\x15" + bytes(4)
    summary = bytes([0x0A, len(value)]) + value
    event = b"\x09" + bytes(8) + b"\x10\x80\0" + bytes([0x2A, len(summary)]) + summary
    data = np.tile(np.frombuffer(event, np.uint8), (scalars, 1))
    data[:, 1:9] = (1.7e9 + step)[:, None].view(np.uint8)
    data[:, 10], data[:, 11] = step & 127 | 128, step >> 7
    data[:, 18 : 18 + size] = np.frombuffer(b"".join(tags), np.uint8).reshape(TAGS, size)[tag]
    data[:, -4:] = np.random.default_rng(0).random(scalars).astype("<f4")[:, None].view(np.uint8)
    return framed(np.frombuffer(b"\x09" + bytes(8) + b"\x1a\x0dbrain.Event:2", np.uint8)[None]) + framed(data)


def framed(data: np.ndarray) -> bytes:
    """The records of messages (n, bytes)."""
    length = np.full((len(data), 1), data.shape[1], "<u8").view(np.uint8)
    sums = [masked_crc32c(part)[:, None].view(np.uint8) for part in (length, data)]
    return np.concatenate([length, sums[0], data, sums[1]], axis=1).tobytes()


def of_events(folder: Path, scalars: int, repeat: int) -> bool:
    path = folder / "events" / "events.out.tfevents.1700000000.host"
    path.parent.mkdir()
    path.write_bytes(event_file(scalars))
    print(f"{scalars:,} scalars in an event file of {path.stat().st_size / 1e6:.0f} MB")
    ours = [measured(OURS, path, folder / f"event-store-{turn}") for turn in range(repeat)]
    met = [said("memory of reading it", min(held for _, held in ours), MOST_MEGABYTES, "MB")]
    try:
        theirs, held = measured(THEIRS, path)
    except subprocess.CalledProcessError:
        print("TensorBoard is not installed here")
        return all(met)
    taken = min(seconds for seconds, _ in ours)
    print(f"read and stored in {taken:.2f} s; TensorBoard's EventAccumulator takes {theirs:.2f} s and {held:,.0f} MB")
    return all([*met, said("times as fast as it", theirs / taken, TIMES_FASTER, "x", most=False)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=32)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=[*KINDS, "events"])
    parser.add_argument("--events", type=int, default=1_184_000)
    given = parser.parse_args()
    wanted = given.only or [*KINDS, "events"]
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        (folder / "warm.csv").write_text("step,loss\n1,2\n")
        read_s(folder / "warm.csv", folder / "warm-store")
        met = [of_kind(kind, folder, given.megabytes, given.repeat) for kind in KINDS if kind in wanted]
        if "events" in wanted:
            met.append(of_events(folder, given.events, given.repeat))
    return 0 if all(met) else 1


if __name__ == "__main__":
    raise SystemExit(main())
