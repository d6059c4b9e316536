"""What a GPU must show of the CUDA trainer: exact records, the same weights, PyTorch's numbers, grokking, and speed.

Each check gives one row: passed, failed, or not checked and why. `--rehearse` runs every check with the host trainer
and tiny sizes, to try this program where there is no GPU; its speeds mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
CUDA = HERE.parent
BUILD = CUDA / "build"
sys.path[:0] = [str(CUDA.parent), str(HERE)]

from pytorch_speed import NotCheckedError, Size, pytorch_speed, require_torch  # noqa: E402  (found by the line above)

from etl.run.file_names import list_files  # noqa: E402
from etl.run.snapshot import Snapshot, fnv1a64  # noqa: E402

BUDGET_S = 460.0


@dataclass(frozen=True)
class Plan:
    """The programs and how much of each check is made."""

    trainer: Path
    bytes_program: Path
    device: str
    sizes: list[Size]
    identical_steps: int
    grok_flags: list[str]
    grok_accuracy: float

    @property
    def on_gpu(self) -> bool:
        return self.device == "cuda"


def real_plan() -> Plan:
    dev = Size("7 M", ["--preset", "dev"], 6, 5, 320, 256, 16, 256, 600)
    gpt2 = Size("124 M", ["--preset", "gpt2", "-b", "4", "-t", "1024"], 12, 12, 768, 50257, 4, 1024, 200)
    return Plan(
        BUILD / "train_gpt2_fp32", BUILD / "recorder_bytes", "cuda", [dev, gpt2], 200, ["--preset", "grok"], 0.99
    )


def rehearsal_plan() -> Plan:
    flags = ["--layers", "1", "--heads", "2", "--width", "16", "--block-size", "16", "--vocab-size", "64"]
    tiny = Size("tiny", [*flags, "-b", "2", "-t", "16"], 1, 2, 16, 64, 2, 16, 20)
    grok = ["--preset", "small", "--modulus", "17", "--train-fraction", "0.85", "-n", "400", "-b", "128"]
    trainer, bytes_program = BUILD / "train_gpt2_fp32_host", BUILD / "recorder_bytes_host"
    return Plan(trainer, bytes_program, "cpu", [tiny], 20, grok, 0.9)


def run(*command: object) -> str:
    """The standard output of a program. Raises RuntimeError with its last words when it fails."""
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise RuntimeError(f"{Path(str(command[0])).name}: {' '.join(words[-1:])[:200]}")
    return done.stdout


def snapshots(folder: Path) -> Iterator[Snapshot]:
    data = (folder / "manifest.json").read_bytes()
    for _, _, path in list_files(folder):
        snapshot = Snapshot(path, json.loads(data), fnv1a64(data))
        snapshot.verify()
        yield snapshot


def shard_of(folder: Path, size: Size) -> Path:
    """Tokens that repeat themselves now and then, enough for every step."""
    from agreement import write_shard

    path = folder / f"shard-{size.vocab}.bin"
    count = size.B * size.T * (size.steps + 1) + 1
    if not path.exists():
        write_shard(path, np.random.default_rng(0).zipf(1.3, count) % size.vocab)
    return path


# The checks. Each returns words for its row, and raises RuntimeError where it fails.


def check_bytes(plan: Plan, folder: Path) -> str:
    """(a) A snapshot's tensors are what a plain copy gives, while the device goes on."""
    (folder / "expected").mkdir()
    run(plan.bytes_program, folder / "bytes", folder / "expected")
    compared = 0
    for snapshot in snapshots(folder / "bytes"):
        names = [name for name in snapshot.names if name.startswith("params/")]
        recorded = b"".join(snapshot[name].tobytes() for name in names)
        if recorded != (folder / "expected" / str(snapshot.step)).read_bytes():
            raise RuntimeError(f"step {snapshot.step} differs from a plain copy")
        compared += len(recorded)
    if not compared:
        raise RuntimeError("nothing was recorded")
    return f"{compared:,} bytes of 5 snapshots equal"


def check_identical(plan: Plan, folder: Path) -> str:
    """(b) Recording changes no bit of the weights."""
    size, steps = plan.sizes[0], plan.identical_steps
    common = [plan.trainer, *size.flags, "-i", shard_of(folder, size), "-n", steps, "-k", steps]
    run(*common, "-o", folder / "off")
    run(*common, "-o", folder / "on", "-d", folder / "recorded", "-f", 10)
    name = f"model_{steps:08d}.bin"
    if (folder / "off" / name).read_bytes() != (folder / "on" / name).read_bytes():
        raise RuntimeError(f"the weights after {steps} steps differ")
    return f"weights after {steps} steps identical, {len(list(snapshots(folder / 'recorded')))} snapshots recorded"


def check_agreement(plan: Plan, folder: Path) -> str:
    """(c) Losses, gradients and parameters as PyTorch has them; a seeded fault is noticed."""
    require_torch(plan.device)
    import agreement

    worst: tuple[float, str] = (0.0, "")
    faults = 0
    for number, case in enumerate(agreement.small_cases(folder, steps=10)):
        start = agreement.write_start(folder / f"start{number}", agreement.GPT(case.config, case.training.model_seed))
        for attempt in ("good", "faulty"):
            if attempt == "faulty":
                agreement.perturbed(start)
            target = folder / f"{attempt}{number}"
            agreement.train(plan.trainer, case, start, target)
            verdict = agreement.judge(target, case, plan.device)
            if attempt == "faulty":
                faults += bool(verdict.failures)
            else:
                worst = max(worst, *(described(case.name, row) for row in verdict.rows))
                if verdict.failures:
                    raise RuntimeError(worst[1])
    if faults != number + 1:
        raise RuntimeError(f"a seeded fault was noticed in {faults} of {number + 1} cases")
    return f"{number + 1} models, 10 steps; worst {worst[1]}; seeded faults noticed"


def described(case: str, row: tuple[str, int, float, float]) -> tuple[float, str]:
    name, step, error, allowed = row
    share = error / allowed if allowed else float(error > 0)
    return share, f"{case}: {name} at step {step}: {error:.2e} of {allowed:.2e} allowed"


def check_grokking(plan: Plan, folder: Path) -> str:
    """(d) Modular addition is learned, then understood."""
    run(plan.trainer, *plan.grok_flags, "-d", folder / "grok")
    train = val = None
    last = 0.0
    for line in (folder / "grok" / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        if train is None and row.get("train_accuracy", 0) >= plan.grok_accuracy:
            train = row["step"]
        if val is None and row.get("val_accuracy", 0) >= plan.grok_accuracy:
            val = row["step"]
        last = row.get("val_accuracy", last)
    if train is None or val is None:
        raise RuntimeError(
            f"val accuracy is {last:.3f} at the end; train reached {plan.grok_accuracy} at step {train}"
        )
    return f"train accuracy {plan.grok_accuracy} at step {train:,}, val at {val:,}; val {last:.3f} at the end"


def check_speed(plan: Plan, folder: Path, began: float) -> Iterator[tuple[str, str, str]]:
    """(e) Tokens a second without the recorder, and with it; (f) against PyTorch."""
    for size in plan.sizes:
        if time.monotonic() - began > BUDGET_S / 2:
            yield f"(e) (f) {size.name}", "not checked", f"{BUDGET_S / 2:.0f} s had passed before it"
            continue
        shard = shard_of(folder, size)
        common = [plan.trainer, *size.flags, "-i", shard, "-n", size.steps]
        speeds: dict[str, list[float]] = {"off": [], "-f 100": [], "-f 10": []}
        for again in range(2):
            for mode, flags in (("off", []), ("-f 100", ["-f", 100]), ("-f 10", ["-f", 10])):
                target = folder / f"speed-{size.vocab}-{again}{mode.replace(' ', '')}"
                said = run(*common, *(["-d", target, *flags] if flags else []))
                speeds[mode].append(speed_in(said))
                shutil.rmtree(target, ignore_errors=True)
        best = {mode: max(values) for mode, values in speeds.items()}
        overhead = 100 * (best["off"] / best["-f 100"] - 1)
        words = ", ".join(f"{mode} {speed:,.0f}" for mode, speed in best.items())
        passed = "passed" if overhead < 2 or not plan.on_gpu else "FAILED"
        yield f"(e) {size.name}: tokens/s", passed, f"{words}; recorder at -f 100 costs {overhead:.2f} %"
        yield from against_pytorch(plan, size, best["off"])


def speed_in(said: str) -> float:
    found = re.search(r"([0-9]+) tok/s with everything", said)
    if found is None:
        raise RuntimeError("the trainer printed no speed")
    return float(found[1])


def against_pytorch(plan: Plan, size: Size, ours: float) -> Iterator[tuple[str, str, str]]:
    for compiled in (False, True):
        name = f"(f) {size.name}: ratio to PyTorch {'compiled' if compiled else 'eager'}"
        try:
            theirs = pytorch_speed(size, plan.device, compiled)
        except NotCheckedError as error:
            yield name, "not checked", str(error)
            continue
        good = compiled or ours >= theirs or not plan.on_gpu
        yield name, "passed" if good else "FAILED", f"{ours / theirs:.2f} ({theirs:,.0f} tokens/s in float32)"


def check_sanitizer(plan: Plan, folder: Path) -> str:
    """(g) No invalid access in three steps of each architecture."""
    tool = shutil.which("compute-sanitizer") or next(
        iter(map(str, Path("/usr/local").glob("cuda*/bin/compute-sanitizer"))), None
    )
    if tool is None or not plan.on_gpu:
        raise NotCheckedError("compute-sanitizer is not here" if tool is None else "it needs a GPU")
    for flags in (["--preset", "grok", "-b", "64"], ["--preset", "small", "-b", "64"]):
        command = [tool, "--error-exitcode", "86", plan.trainer, *flags, "-n", "3", "-f", "1"]
        target = folder / f"sanitized-{flags[1]}"
        done = subprocess.run(
            [*map(str, command), "-d", str(target)], check=False, capture_output=True, text=True, timeout=120
        )
        said = done.stdout + done.stderr
        if "not supported" in said or "Unable to" in said or "Failed to initialize" in said:
            raise NotCheckedError("not available: it refuses this device")
        if done.returncode:
            raise RuntimeError((re.findall(r"========= .*", said) or [said.strip()[-200:]])[0])
    return "clean on 3 steps of both architectures"


CHECKS: dict[str, tuple[str, Callable[[Plan, Path], str]]] = {
    "bytes": ("(a) recorded bytes against a plain copy", check_bytes),
    "identical": ("(b) weights with the recorder on and off", check_identical),
    "agreement": ("(c) losses and gradients against PyTorch", check_agreement),
    "grokking": ("(d) modular addition groks", check_grokking),
    "sanitizer": ("(g) compute-sanitizer", check_sanitizer),
}


def rows(plan: Plan, wanted: list[str], began: float) -> Iterator[tuple[str, str, str]]:
    """(what, passed | FAILED | not checked, words) of each check, as it ends."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        for key, (title, check) in CHECKS.items():
            if key in wanted:
                folder = Path(name) / key
                folder.mkdir()
                yield title, *outcome(check, plan, folder, began)
        if "speed" in wanted:
            folder = Path(name) / "speed"
            folder.mkdir()
            try:
                yield from check_speed(plan, folder, began)
            except (RuntimeError, OSError) as error:
                yield "(e) tokens/s", "FAILED", str(error)


def outcome(check: Callable[[Plan, Path], str], plan: Plan, folder: Path, began: float) -> tuple[str, str]:
    if time.monotonic() - began > BUDGET_S:
        return "not checked", f"{BUDGET_S:.0f} s had passed"
    try:
        return "passed", check(plan, folder)
    except NotCheckedError as error:
        return "not checked", str(error)
    except (RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as error:
        return "FAILED", str(error)


def build(rehearse: bool) -> str:
    """Make the programs; the reason where that cannot be, else ""."""
    if not rehearse and shutil.which("nvcc") is None:
        return "nvcc is missing"
    target = ["rehearsal"] if rehearse else ["cuda", "gpu-programs"]
    done = subprocess.run(
        ["make", "-j4", "-C", str(CUDA), f"PYTHON={sys.executable}", *target],
        check=False,
        capture_output=True,
        text=True,
    )
    return "" if done.returncode == 0 else " ".join((done.stderr.strip().splitlines() or ["make failed"])[-2:])


def device_name(plan: Plan) -> str:
    if not plan.on_gpu:
        return "host (a rehearsal: its speeds mean nothing)"
    try:
        command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        return run(*command).strip().splitlines()[0]
    except (RuntimeError, OSError, IndexError):
        raise NotCheckedError("no CUDA device") from None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"some of {', '.join([*CHECKS, 'speed'])}, with commas between")
    parser.add_argument("--rehearse", action="store_true", help="the host trainer and tiny sizes")
    given = parser.parse_args()
    wanted = given.only.split(",") if given.only else [*CHECKS, "speed"]
    if unknown := set(wanted) - {*CHECKS, "speed"}:
        parser.error(f"--only: {', '.join(sorted(unknown))} is not one of {', '.join([*CHECKS, 'speed'])}")
    began = time.monotonic()
    plan = rehearsal_plan() if given.rehearse else real_plan()
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    trouble = build(given.rehearse)
    failed = 0
    try:
        if trouble:
            raise NotCheckedError(trouble)
        say(f"Device: {device_name(plan)}\n\n| check | outcome | found |\n| --- | --- | --- |")
        for title, result, words in rows(plan, wanted, began):
            failed += result == "FAILED"
            say(f"| {title} | {result} | {words.replace('|', '/')} |")
    except NotCheckedError as error:
        say(f"Nothing could be checked: {error}")
        failed += bool(trouble) and "missing" not in trouble
    say(f"\n{time.monotonic() - began:.0f} s in all.")
    BUILD.mkdir(exist_ok=True)
    (BUILD / "cuda-results.md").write_text("\n".join(lines) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
