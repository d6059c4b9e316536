"""The rooms of cuda/: train includes gpt2 and recorder, gpt2 includes recorder, and nothing looks back."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.cuda_programs import CUDA

MAY_INCLUDE = {"recorder": (), "gpt2": ("recorder",), "train": ("gpt2", "recorder")}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def sources(room: Path) -> list[Path]:
    return sorted(path for path in room.rglob("*") if path.suffix in (".h", ".cpp", ".cu"))


def wrong_includes(cuda: Path) -> list[str]:
    """The includes that name no file of the own room, nor one of a room that may be included."""
    wrong = []
    for room, others in MAY_INCLUDE.items():
        for path in sources(cuda / room):
            for name in INCLUDE.findall(path.read_text()):
                first, _, rest = name.partition("/")
                known = first in others if rest else (cuda / room / name).is_file()
                if not known or not (cuda / name if rest else path).is_file():
                    wrong.append(f"{room}/{path.name} includes {name}")
    return wrong


def test_each_room_includes_only_those_below_it() -> None:
    assert all(len(sources(CUDA / room)) > 5 for room in MAY_INCLUDE)
    assert wrong_includes(CUDA) == []


@pytest.mark.parametrize(
    ("planted", "include"),
    [
        ("recorder/json.h", "gpt2/config.h"),
        ("recorder/recorder.cpp", "train/options.h"),
        ("recorder/cuda_memory.cu", "../gpt2/device.h"),
        ("gpt2/rows.h", "train/tasks.h"),
        ("gpt2/config.cpp", "tasks.h"),
        ("train/options.cpp", "check/options.h"),
        ("train/options.cpp", "gpt2/options.h"),
    ],
)
def test_a_look_back_is_noticed(tmp_path: Path, planted: str, include: str) -> None:
    for room in MAY_INCLUDE:
        shutil.copytree(CUDA / room, tmp_path / room)
    with (tmp_path / planted).open("a") as file:
        file.write(f'#include "{include}"\n')
    assert wrong_includes(tmp_path) == [f"{planted} includes {include}"]
