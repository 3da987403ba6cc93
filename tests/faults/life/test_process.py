"""The process: how it stops, what prevents its start, and secrets that it must not print."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.conftest import Simulators, held, wait_until
from tests.faults.conftest import NOWHERE, Start, account, command, refused

pytestmark = pytest.mark.slow


def test_after_sigterm_the_scrape_in_progress_is_still_answered(
    tmp_path: Path, start: Start, simulators: Simulators
) -> None:
    """The store is closed then: nothing is left in the write-ahead log."""
    simulator = simulators(speed=0.001)
    exporter = start(account(simulator.url, [simulator.world.tasks[0].id], more="scrape: {timeout: 60s}\n"))
    with ThreadPoolExecutor(1) as pool, held(simulator) as go:
        scrape = pool.submit(exporter.get)
        wait_until(lambda: simulator.quota.calls)
        exporter.process.terminate()
        wait_until(lambda: not exporter.listens())
        go.set()
        assert (tmp_path / "vod-transcode-exporter.db-wal").exists()
        assert exporter.wait() == 0
        answer = scrape.result()
    assert (tmp_path / "vod-transcode-exporter.db").exists()
    assert not (tmp_path / "vod-transcode-exporter.db-wal").exists()
    assert (answer.status_code, 'vod_up{account="prod"} 1.0' in answer.text) == (200, True)
    assert [line.partition("msg=")[2].split()[0] for line in exporter.log.splitlines()] == ["listening", "stopped"]


def test_a_second_sigterm_ends_the_process_at_once(start: Start, simulators: Simulators) -> None:
    simulator = simulators(delay=3600.0)
    exporter = start(account(simulator.url, ["a" * 32], more="scrape: {timeout: 300s}\n"))
    with ThreadPoolExecutor(1) as pool:
        scrape = pool.submit(exporter.get)
        wait_until(lambda: simulator.quota.calls)
        exporter.process.terminate()
        wait_until(lambda: not exporter.listens())  # it stops, and waits for the scrape
        assert exporter.process.poll() is None
        assert exporter.stop() == 128 + signal.SIGTERM
        with pytest.raises(requests.RequestException):
            scrape.result()


def test_a_stop_waits_for_no_idle_client_and_for_none_that_does_not_read(start: Start, simulators: Simulators) -> None:
    """Nor does it wait for a half-sent request, or for a refresh whose scrape has been answered."""
    simulator = simulators(delay=3600.0)
    exporter = start(account(simulator.url, ["a" * 32], more="scrape: {timeout: 300s}\n"))
    assert exporter.get(headers={"X-Prometheus-Scrape-Timeout-Seconds": "1"}).status_code == 200
    for _ in range(20):
        exporter.connect()
        exporter.connect().sendall(b"GET /metrics HTTP/1.1\r\nHost")
        idle = exporter.connect()
        idle.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(4096)
    exporter.connect(receive_buffer=2048).sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
    assert exporter.stop() == 0
    assert "level=error" not in exporter.log
    assert "Traceback" not in exporter.log


def test_sigint_stops_the_process_normally_too(start: Start) -> None:
    exporter = start(account(NOWHERE))
    exporter.process.send_signal(signal.SIGINT)
    assert exporter.wait() == 0
    assert "msg=stopped" in exporter.log


def test_a_port_in_use_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = refused(tmp_path, account(NOWHERE), f"--web.listen-address={address}")
    assert line.startswith(f"vod-transcode-exporter: cannot listen on {address}: ")
    assert "stop the program that uses this port, or choose another port" in line


def test_a_log_that_cannot_be_written_does_not_end_the_process(tmp_path: Path) -> None:
    """The reader of the log has ended, for example a log collector. Scrapes are still answered."""
    reader, writer = os.pipe()
    run = command(tmp_path, account(NOWHERE, ["a"]))
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}  # then Python writes stderr once more at its end
    with subprocess.Popen(run, stderr=writer, cwd=tmp_path, env=buffered) as process:
        os.close(writer)
        try:
            listening = re.search(rb"msg=listening address=([\d.:]+)", os.read(reader, 4096))
            os.close(reader)
            assert listening is not None
            for _ in range(2):
                assert requests.get(f"http://{listening[1].decode()}/metrics", timeout=30).status_code == 200
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()
