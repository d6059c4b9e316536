"""The C++ programs, made once and shared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cuda_programs import made
from tests.support.cuda_recorder import Driver
from tests.support.cuda_trainer import Program, runner


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of the programs under sanitizers."""
    return made()


@pytest.fixture(scope="session")
def recorder(programs: Path) -> Path:
    """The C++ recorder's driver."""
    return programs / "recorder_driver"


@pytest.fixture
def driver(recorder: Path, tmp_path: Path) -> Iterator[Driver]:
    """A running driver of the recorder."""
    with Driver(recorder, tmp_path / "driver") as running:
        yield running


@pytest.fixture(scope="module")
def long_lived(recorder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """The same for tests that ask one question many times."""
    with Driver(recorder, tmp_path_factory.mktemp("long") / "driver") as running:
        yield running


@pytest.fixture(scope="session")
def binary(programs: Path) -> Path:
    """The host build of the C++ trainer."""
    return programs / "train_gpt2_fp32_checked"


@pytest.fixture
def program(binary: Path) -> Program:
    """Runs it with flags."""
    return runner(binary)
