"""What tests of several folders share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest

from exporter.simulator.server import Simulator

# The official provider chain and SDK ask the metadata service of a cloud machine where nothing else is configured.
os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"

NOW = 1_700_000_000.0


class Clock:
    """A wall clock in Unix seconds. It starts at `NOW` and stands still until a test changes `now`."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def simulators() -> Iterator[Callable[..., Simulator]]:
    """Starts simulators, with the arguments of `Simulator`, and stops them after the test."""
    started: list[Simulator] = []

    def start(**arguments: object) -> Simulator:
        simulator = Simulator(**arguments)  # type: ignore[arg-type]
        simulator.start()
        started.append(simulator)
        return simulator

    yield start
    for simulator in started:
        simulator.stop()


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """The path of a program; without it the test is skipped, and fails where CI=true promises that it is there."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            reason = f"{name} is not installed (Debian has it)"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        return path

    return find
