"""The soak: it runs to its end, and finds what grows."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import soak

ROOT = Path(__file__).parents[2]
LEVEL = soak.Sample(memory=60e6, descriptors=20, threads=10, cpu=0.1, file=1e6, log=4e6)


@pytest.mark.slow
def test_a_short_soak_answers_every_scrape_and_prints_each_figure() -> None:
    command = [sys.executable, "-m", "benchmarks.soak", "--minutes=0.1", "--interval=0.5"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert ", 0 not answered; " in run.stdout, run.stdout + run.stderr
    assert "exit status 0" in run.stdout
    assert all(name in run.stdout for name in soak.NAMES)
    assert run.stdout.count(" of 10 ") == 10


def test_what_stays_level_is_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert soak.report([LEVEL] * 50) == 0
    assert "grew beyond the limit: nothing" in capsys.readouterr().out


def test_each_figure_that_grows_is_a_fault_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    for field, name in zip(soak.Sample.__dataclass_fields__, soak.NAMES, strict=True):
        value = getattr(LEVEL, field)
        grows = [replace(LEVEL, **{field: value * (1 + number)}) for number in range(50)]
        assert soak.report(grows) == 1, name
        assert f"grew beyond the limit: {name}\n" in capsys.readouterr().out
