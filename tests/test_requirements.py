"""requirements.txt, by which the public app is installed: complete, in pyproject's ranges, each package hashed."""

from __future__ import annotations

import importlib.metadata
import os
import re
import tomllib
from dataclasses import dataclass

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.places import ROOT

LOCK = ROOT / "requirements.txt"
PYTHONS = ("3.11", "3.12", "3.13")
"""Those that the app may be given where it is hosted."""
SANDBOX = ("duckdb", "pyarrow")
"""What the sandbox of typed SQL is made of: the attacks are tried against these builds, and no other is installed."""
_LINE = re.compile(r"(?P<name>[a-z0-9.-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>.+?))?(?P<hashes>( --hash=\S+)+)")


@dataclass(frozen=True)
class Pin:
    name: str
    version: Version
    marker: Marker | None

    def holds(self, python: str) -> bool:
        return self.marker is None or self.marker.evaluate(environment(python))


def environment(python: str) -> dict[str, str]:
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "extra": ""}
    return linux | {"python_version": python, "python_full_version": f"{python}.9"}


def statements(text: str) -> list[str]:
    """The lines of a requirements file, joined where they go on, without comments."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def pins(text: str) -> list[Pin]:
    found = []
    for line in statements(text):
        match = _LINE.fullmatch(line)
        assert match, f"{line[:100]} is no package of one version with its hashes"
        assert all(re.fullmatch("--hash=sha256:[0-9a-f]{64}", one) for one in match["hashes"].split()), line[:100]
        marker = Marker(match["marker"]) if match["marker"] else None
        found.append(Pin(match["name"], Version(match["version"]), marker))
    return found


@pytest.fixture(scope="module")
def locked() -> list[Pin]:
    return pins(LOCK.read_text())


@pytest.fixture(scope="module")
def direct() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(text) for text in project["dependencies"]]


def version_of(locked: list[Pin], name: str, python: str) -> Version | None:
    found = [pin.version for pin in locked if pin.name == canonicalize_name(name) and pin.holds(python)]
    assert len(found) <= 1, f"{name} has {len(found)} versions on Python {python}"
    return found[0] if found else None


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_is_locked_inside_its_range(
    locked: list[Pin], direct: list[Requirement], python: str
) -> None:
    for requirement in direct:
        version = version_of(locked, requirement.name, python)
        assert version is not None, f"{requirement.name} is not locked"
        assert version in requirement.specifier, f"{requirement.name} {version} is not {requirement.specifier}"


@pytest.mark.parametrize("python", PYTHONS)
def test_what_they_bring_is_locked_as_well(locked: list[Pin], python: str) -> None:
    """As far as the very versions are installed here: their own words say what they need."""
    asked = 0
    for pin in locked:
        try:
            found = importlib.metadata.distribution(pin.name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if not pin.holds(python) or Version(found.version) != pin.version:
            continue
        for requirement in map(Requirement, found.requires or []):
            if requirement.marker is None or requirement.marker.evaluate(environment(python)):
                asked += 1
                version = version_of(locked, requirement.name, python)
                assert version is not None, f"{pin.name} needs {requirement.name}, which is not locked"
                assert version in requirement.specifier, f"{pin.name} needs {requirement}; locked is {version}"
    assert asked > 20


def test_nothing_is_locked_that_nothing_asks_for(locked: list[Pin]) -> None:
    """Nor any address: where packages come from is up to whoever installs them."""
    text = LOCK.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-e|-i|-f|--[a-z-]*(index|links|host)[a-z-]*)\b", text, re.MULTILINE)
    assert len({pin.name for pin in locked}) < 90


@pytest.mark.parametrize("name", SANDBOX)
def test_the_sandbox_is_tried_against_the_builds_that_are_installed(
    locked: list[Pin], direct: list[Requirement], name: str
) -> None:
    [requirement] = [one for one in direct if one.name == name]
    [pinned] = requirement.specifier
    assert pinned.operator == "=="
    versions = {version_of(locked, name, python) for python in PYTHONS}
    assert versions == {Version(pinned.version)} == {Version(importlib.metadata.version(name))}


@pytest.mark.skipif(not os.environ.get("CI"), reason="elsewhere other versions inside the ranges are at work as well")
def test_what_is_tested_is_what_the_public_app_runs(locked: list[Pin]) -> None:
    here = [pin for pin in locked if pin.marker is None or pin.marker.evaluate()]
    installed = {pin.name: Version(importlib.metadata.version(pin.name)) for pin in here}
    assert installed == {pin.name: pin.version for pin in here}


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "numpy>=2",
        "numpy==2.4.6",
        "numpy==2.4.6 --hash=md5:" + 32 * "0",
        "numpy @ https://example.invalid/numpy.whl --hash=sha256:" + 64 * "0",
    ],
)
def test_a_line_that_pins_nothing_is_noticed(line: str) -> None:
    with pytest.raises(AssertionError):
        pins(line)
