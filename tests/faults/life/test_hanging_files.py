"""Files that hang, and things that are no files: they stop neither the event loop nor a start."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.conftest import HeldFile, exporter_command, wait_until
from tests.faults.conftest import NOWHERE, Start, account, run_to_end

pytestmark = pytest.mark.slow

Hold = Callable[[Path], HeldFile]

MEMORY = "state: {memory: true}\n"
API = f"{MEMORY}api: {{token_file: token}}\n"


def register(url: str) -> requests.Response:
    """A request of a stranger, who has no token."""
    return requests.post(f"{url}/api/v1/tasks", json={}, timeout=60)


def test_a_token_file_that_hangs_delays_only_who_needs_it(tmp_path: Path, start: Start, hold: Hold) -> None:
    (tmp_path / "token").write_text("0123456789abcdef")
    exporter = start(account(NOWHERE, more=API))
    held = hold(tmp_path / "token")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(register, exporter.url)
        wait_until(lambda: held.wanted)
        assert exporter.get("/-/healthy").status_code == 200
        assert exporter.get("/").status_code == 200
        answer = asked.result()
    assert answer.status_code == 503
    assert f'file={tmp_path}/token error="cannot be read (its disk or pipe does not answer)"' in exporter.log
    assert register(exporter.url).status_code == 503  # at once: no further thread waits for the file
    held.release()
    wait_until(lambda: register(exporter.url).status_code == 401)


def test_a_token_file_that_becomes_a_fifo_is_refused(tmp_path: Path, start: Start) -> None:
    (tmp_path / "token").write_text("0123456789abcdef")
    exporter = start(account(NOWHERE, more=API))
    (tmp_path / "token").unlink()
    os.mkfifo(tmp_path / "token")
    assert register(exporter.url).status_code == 503
    assert exporter.get("/-/healthy").status_code == 200
    assert "cannot be read (it is a FIFO, not a regular file)" in exporter.log


def test_a_configuration_that_hangs_ends_the_start_with_its_name(tmp_path: Path, hold: Hold) -> None:
    file = tmp_path / "held.yml"
    file.write_text(account(NOWHERE))
    hold(file)
    ended = run_to_end(tmp_path, "", f"--config.file={file}")
    assert ended.returncode == 1
    assert f"{file}:1: cannot be read (its disk or pipe does not answer); name a readable YAML file" in ended.stderr


def test_a_key_file_that_hangs_ends_the_start_with_its_name(tmp_path: Path, hold: Hold) -> None:
    (tmp_path / "token").write_text("0123456789abcdef")
    hold(tmp_path / "token")
    ended = run_to_end(tmp_path, account(NOWHERE, more=API))
    assert ended.returncode == 1
    assert "api.token_file: the file token cannot be read (its disk or pipe does not answer)" in ended.stderr


def test_fifos_in_place_of_files_end_the_start_with_their_names(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    config = account(NOWHERE, secret="", more=f"{MEMORY}api: {{token_file: fifo}}\n")
    ended = run_to_end(tmp_path, config.replace("secret: }", "secret_file: fifo}"))
    assert ended.returncode == 1
    for key in ("accounts[0].credentials.access_key_secret_file", "api.token_file"):
        assert f"{key}: the file fifo cannot be read (it is a FIFO, not a regular file)" in ended.stderr


def test_a_fifo_with_a_name_is_no_configuration_but_stdin_is(tmp_path: Path) -> None:
    """A shell passes the output of a command as a pipe without a name: `--config.file=<(command)`."""
    os.mkfifo(tmp_path / "fifo")

    def check(file: Path) -> subprocess.CompletedProcess[str]:
        arguments = [*exporter_command(), "check-config", str(file)]
        config = account(NOWHERE, more=MEMORY)
        return subprocess.run(arguments, input=config, capture_output=True, text=True, timeout=60, check=False)

    named = check(tmp_path / "fifo")
    assert (named.returncode, named.stderr.count("cannot be read (it is a FIFO, not a regular file)")) == (1, 1)
    assert check(Path("/dev/stdin")).returncode == 0
