"""The totals equal the truth after a short simulated day with errors and kills of the exporter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FIDELITY = Path(__file__).parents[2] / "benchmarks" / "fidelity.py"


def test_totals_equal_the_truth_after_errors_and_kills() -> None:
    command = [sys.executable, str(FIDELITY), "--tasks=40", "--speed=60", "--kill-every=4", "--patience=150"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)

    assert run.returncode == 0, run.stdout + run.stderr
    assert "differences: 0; totals that went down: 0" in run.stdout
