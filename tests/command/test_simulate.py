"""The command `simulate`: what it prints, and its end."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import requests

from tests.command.conftest import Run, one_line, process


def test_simulate_needs_a_callback_url_and_a_readable_key_together(run: Run, tmp_path: Path) -> None:
    url, file = "--callback-url=http://127.0.0.1:9/callback/a", f"--callback-key-file={tmp_path / 'key'}"
    for arguments, expected in (
        ([url], "belong together"),
        ([file], "belong together"),
        ([url, file], "cannot be read"),
    ):
        status, out, err = run("simulate", "--listen=127.0.0.1:0", *arguments)

        assert (status, out) == (1, ""), arguments
        assert expected in one_line(err)


@pytest.mark.slow
def test_simulate_prints_its_configuration_and_runs_until_a_signal() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with process("simulate", "--listen=127.0.0.1:0", "--tasks=3") as running:
            assert running.stdout is not None
            printed = "".join(iter(running.stdout.readline, "\n")) + "".join(iter(running.stdout.readline, "\n"))
            url = next(word for word in printed.split() if word.startswith("http://")).rstrip(",")
            assert "access key simulator, secret simulator" in printed
            assert f"endpoint: {url}\n" in printed
            assert len(requests.get(f"{url}/simulator/truth", timeout=10).json()["tasks"]) <= 3
            running.send_signal(number)
            _, err = running.communicate(timeout=60)
            assert (running.returncode, err) == (0, "")
