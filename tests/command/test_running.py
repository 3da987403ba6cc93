"""What runs now: read from the metrics of an exporter, as a table and as JSON."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from exporter import config, wiring
from exporter.command import running
from exporter.errors import UnreachableError
from exporter.keys import Key
from exporter.metrics.telemetry import Telemetry
from exporter.tracking.store import MemoryStore
from exporter.web.listener import listen, url
from exporter.web.server import Server
from tests.command.conftest import PATIENCE_SECONDS, terminal
from tests.conftest import NOW, Simulators

METRICS = f"""\
# TYPE vod_up gauge
vod_up{{account="a"}} 1.0
vod_up{{account="b"}} 0.0
vod_transcode_jobs{{account="a",definition="HD",status="Transcoding"}} 4.0
vod_transcode_jobs{{account="a",definition="HD",status="Submitted"}} 1.0
vod_transcode_jobs{{account="a",definition="HD",status="TranscodeSuccess"}} 9.0
vod_transcode_job_info{{account="a",job_id="j1",definition="HD",task_id="t1",video_id="v1"}} 1.0
vod_transcode_job_status{{account="a",job_id="j1",definition="HD",status="Transcoding"}} 1.0
vod_transcode_job_progress_ratio{{account="a",job_id="j1",definition="HD"}} 0.425
vod_transcode_job_created_timestamp_seconds{{account="a",job_id="j1",definition="HD"}} {NOW - 75}
vod_transcode_job_status{{account="a",job_id="j2",definition="HD",status="Submitted"}} 1.0
vod_transcode_job_created_timestamp_seconds{{account="a",job_id="j2",definition="HD"}} {NOW - 80}
vod_transcode_job_status{{account="a",job_id="j3",definition="HD",status="TranscodeSuccess"}} 1.0
vod_exporter_build_info{{version="1"}} 1.0
"""
TABLE = """\
ACCOUNT  DEFINITION  PROGRESS   AGE         TASK
a        HD          submitted  1 min 20 s
a        HD          42 %       1 min 15 s  t1
account b: VOD cannot be read; the values may be old
3 more without series of their own (series.per_job, series.max_jobs)
2 jobs of 2 tasks"""


def test_unfinished_jobs_are_a_table_with_the_oldest_first() -> None:
    assert running.as_table(running.parse(METRICS), now=NOW) == TABLE


def test_json_has_all_fields_in_base_units() -> None:
    second, first = json.loads(running.as_json(running.parse(METRICS)))
    assert first == {
        "account": "a",
        "task_id": "t1",
        "video_id": "v1",
        "job_id": "j1",
        "definition": "HD",
        "status": "Transcoding",
        "progress": 0.425,
        "created": NOW - 75,
    }
    assert (second["status"], second["progress"]) == ("Submitted", None)


def test_without_jobs_the_list_says_that_nothing_runs() -> None:
    assert running.as_table(running.parse("vod_exporter_build_info 1\n"), now=NOW) == "nothing runs"


def test_a_list_that_does_not_fit_is_cut_and_says_how_many_are_missing() -> None:
    found = running.Running([*running.parse(METRICS).jobs] * 2, down=[], hidden=0)
    lines = running.as_table(found, now=NOW, columns=30, lines=5).splitlines()
    assert [len(line) for line in lines[:3]] == [30, 30, 30]
    assert lines[3:] == ["and 2 more", "4 jobs of 2 tasks"]


@pytest.fixture
def exporter(simulators: Simulators) -> Iterator[str]:
    """The URL of a running exporter."""
    simulator = simulators(speed=0.01, tasks=3, history=60.0)
    keys = config.AccountKeys(access_key_id=Key("simulator"), access_key_secret=Key("simulator"))
    account = config.Account(name="a", endpoint=simulator.url, credentials=keys, requests_per_second=100)
    settings = config.Settings(accounts=(account,))
    telemetry = Telemetry()
    scraper = wiring.scraper(settings, telemetry, MemoryStore())
    listener = listen("127.0.0.1:0")
    server = Server(wiring.interface(settings, scraper, telemetry).app(), [listener], timeout=10)
    serving = threading.Thread(target=server.serve_until_stopped)
    serving.start()
    yield url(listener)
    server.stop()
    serving.join()
    scraper.close()


def test_the_jobs_of_a_running_exporter_are_read(exporter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a proxy is set, which cannot reach the loopback of this machine."""
    found = running.read(f"{exporter}/metrics")
    assert found.jobs
    assert found.down == []
    assert all(job.account == "a" and job.task_id and job.created for job in found.jobs)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert running.read(f"{exporter}/metrics").jobs


def test_something_else_at_the_url_is_an_error_without_the_password(exporter: str) -> None:
    for address in (f"{exporter.replace('//', '//user:CANARY@')}/sd", "http://user:CANARY@127.0.0.1:9/metrics"):
        with pytest.raises(UnreachableError, match="name its address with --url") as caught:
            running.read(address)
        assert "CANARY" not in str(caught.value)


@pytest.mark.slow
def test_an_exporter_that_cannot_be_reached_is_a_reason_without_names_of_python() -> None:
    with socket.socket() as bound:  # the port is taken, and nobody listens
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(UnreachableError, match=r": no connection; start it, or name its address with --url"):
            running.read(f"http://127.0.0.1:{bound.getsockname()[1]}/metrics")
    with pytest.raises(UnreachableError, match=r": the host name does not resolve; correct --url"):
        running.read("http://exporter.invalid/metrics")


def test_watch_fits_the_terminal_and_gives_back_the_screen(exporter: str) -> None:
    command = [sys.executable, "-m", "exporter", "tasks", "--watch", f"--url={exporter}"]
    environ = {**os.environ, "TERM": "xterm", "NO_COLOR": ""}
    with terminal(50, lines=8) as there, subprocess.Popen(command, stdout=there.theirs, env=environ) as process:
        shown = there.read(lambda seen: "tasks" in seen)
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0
        end = there.read(lambda seen: seen.endswith("\x1b[?1049l"))
    assert re.search(r"\x1b\[36m\d+ %\x1b\[0m", shown)
    lines = re.sub(r"\x1b\[\d+m", "", shown.partition("\x1b[H\x1b[2J")[2]).splitlines()
    assert len(lines) <= 8
    assert max(map(len, lines)) <= 50
    assert lines[0].startswith("ACCOUNT")
    assert end.startswith("\x1b[?1049h")
