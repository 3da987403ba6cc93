"""The lock files of the image: each library has a version that pyproject.toml allows, and hashes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = ROOT / "requirements.lock"
BUILD_LOCK = ROOT / "deploy" / "docker" / "build.lock"
REMEDY = "run `make lock`"

both_locks = pytest.mark.parametrize("lock", [LOCK, BUILD_LOCK], ids=lambda path: path.name)


def locked(path: Path) -> dict[str, str]:
    """The version of each library in a lock file."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", path.read_text(), re.MULTILINE))


def missing(requirements: Iterable[str], lock: Path) -> list[str]:
    """The requirements that the lock file does not satisfy."""
    versions = locked(lock)
    return [
        text
        for text in requirements
        if (name := canonicalize_name((requirement := Requirement(text)).name)) not in versions
        or versions[name] not in requirement.specifier
    ]


def test_the_lock_satisfies_the_requirements_of_the_project() -> None:
    extras = [
        text for name, extra in PROJECT["project"]["optional-dependencies"].items() if name != "dev" for text in extra
    ]
    assert missing(PROJECT["project"]["dependencies"] + extras, LOCK) == [], REMEDY


def test_the_lock_of_the_build_satisfies_the_build_system() -> None:
    assert missing(PROJECT["build-system"]["requires"], BUILD_LOCK) == [], REMEDY


@both_locks
def test_each_locked_library_has_hashes(lock: Path) -> None:
    entries = re.split(r"^(?=[a-z])", lock.read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) == len(locked(lock)) > 0
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


@both_locks
def test_a_lock_names_no_package_index(lock: Path) -> None:
    assert "://" not in lock.read_text()
