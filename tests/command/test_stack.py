"""The programs around the demo use the files of this repository, and stop with the demo."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml

from exporter.command.stack import SCRAPE_INTERVAL, Stack
from exporter.share import files
from tests.conftest import wait_until

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0
DEMO = (sys.executable, "-m", "exporter", "demo", "--stack", "--web.listen-address=127.0.0.1:0")

pytestmark = pytest.mark.stack

STAND_IN = """\
#!{python}
import http.server, json, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
received = dict(arguments=sys.argv[1:], pid=os.getpid(), environment=dict(os.environ))
open({received!r}, "w").write(json.dumps(received))
http.server.HTTPServer(("127.0.0.1", int(os.environ["GF_SERVER_HTTP_PORT"])), Handler).serve_forever()
"""


@contextmanager
def demo(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The demo with its stack, and the addresses that it printed."""
    with subprocess.Popen([*DEMO, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while not lines or "Ctrl-C" not in lines[-1]:
                lines.append(process.stdout.readline())
                assert lines[-1], lines
            yield process, dict(re.findall(r"^(\S+) +(http://[\d.:]+)", "".join(lines), re.MULTILINE))
        finally:
            process.kill()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the only one on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_prometheus_scrapes_the_exporter_and_alerts_alertmanager(tool: Callable[[str], str]) -> None:
    tool("prometheus")
    tool("prometheus-alertmanager")
    with demo() as (process, urls):
        prometheus = f"{urls['Prometheus']}/api/v1"
        groups = requests.get(f"{prometheus}/rules", timeout=10).json()["data"]["groups"]
        routes = requests.get(f"{urls['Alertmanager']}/api/v2/status", timeout=10).json()["config"]["original"]
        managers = f"{prometheus}/alertmanagers"
        wait_until(lambda: requests.get(managers, timeout=10).json()["data"]["activeAlertmanagers"])
        used = requests.get(managers, timeout=10).json()["data"]["activeAlertmanagers"]
        wait_until(lambda: requests.get(f"{prometheus}/query?query=vod_up", timeout=10).json()["data"]["result"])
        started = children(process.pid)
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_SECONDS)

        assert any(rule["name"] == "VodAccountUnreachable" for group in groups for rule in group["rules"])
        assert [manager["url"] for manager in used] == [f"{urls['Alertmanager']}/api/v2/alerts"]
        assert "group_by" in routes
        assert "example.org/" not in routes  # a demo notifies nobody
        assert len(started) == 2
        assert not any(is_running(pid) for pid in started)


def test_programs_stop_even_if_the_demo_is_killed(tool: Callable[[str], str]) -> None:
    tool("prometheus")
    tool("setpriv")
    with demo() as (process, urls):
        started = children(process.pid)
        assert "Prometheus" in urls
        process.kill()
        process.wait(PATIENCE_SECONDS)

        wait_until(lambda: not any(is_running(pid) for pid in started))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_stops_in_order_while_a_program_starts(empty_path: Path, tmp_path: Path, number: int) -> None:
    """The slow program is stopped, the next is not started, and nothing stays behind, even without `setpriv`."""
    started, temporary = never_ready(empty_path), tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(DEMO, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment) as process:
        try:
            wait_until(started)
            assert list(temporary.iterdir())
            process.send_signal(number)
            if number == signal.SIGHUP:  # for a closed terminal, the shell and the kernel each send one
                process.send_signal(number)
            _, complaint = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
    (pid,) = started()
    assert (process.returncode, complaint) == (0, b"")
    assert not is_running(pid)
    assert list(temporary.iterdir()) == []


def test_it_stops_when_its_terminal_closes(empty_path: Path, tmp_path: Path) -> None:
    started, temporary, complaint = never_ready(empty_path), tmp_path / "temporary", tmp_path / "complaint"
    temporary.mkdir()
    own_terminal = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    )
    terminal, inner = os.openpty()
    with complaint.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", own_terminal, *DEMO],
            stdin=inner,
            stdout=inner,
            stderr=stderr,
            env={**os.environ, "TMPDIR": str(temporary)},
            start_new_session=True,
        )
    os.close(inner)
    with process:
        try:
            wait_until(started)
            os.close(terminal)
            process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
    assert not any(is_running(pid) for pid in started())
    assert list(temporary.iterdir()) == []
    assert complaint.read_text() == ""


def never_ready(folder: Path) -> Callable[[], list[int]]:
    """Put programs into `folder` that are never ready. Returns a function: the process ids of those started."""
    note = folder / "started"
    for name in ("alertmanager", "prometheus", "grafana"):
        program(folder, name, f"#!/bin/sh\necho $$ >>{note}\nexec /bin/sleep 600\n")
    return lambda: [int(line) for line in note.read_text().splitlines()] if note.exists() else []


def test_a_missing_program_has_a_line_that_says_how_to_install_it(empty_path: Path) -> None:
    with Stack("http://127.0.0.1:9") as stack:
        assert [line.split(maxsplit=1)[0] for line in stack.lines] == ["Alertmanager", "Prometheus", "Grafana"]
        assert all("not on the PATH" in line and "https://" in line for line in stack.lines)


def test_a_program_that_fails_has_a_line_with_its_last_output(empty_path: Path) -> None:
    program(empty_path, "prometheus", "#!/bin/sh\necho one\necho 'no space left'\nexit 1\n")
    with Stack("http://127.0.0.1:9") as stack:
        assert stack.lines[1] == "Prometheus   does not start: no space left"


def test_grafana_gets_the_dashboards_and_calls_no_other_machine(empty_path: Path) -> None:
    """With a stand-in for Grafana, which Debian does not package: it records its arguments and environment."""
    note = empty_path / "received.json"
    program(empty_path, "grafana", STAND_IN.format(python=sys.executable, received=str(note)))
    with Stack("http://127.0.0.1:9") as stack:
        received = json.loads(note.read_text())
        assert re.fullmatch(r"Grafana +http://127\.0\.0\.1:\d+/d/vod-overview", stack.lines[2])
        assert is_running(received["pid"])
        provisioning = Path(received["environment"]["GF_PATHS_PROVISIONING"])
        source = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"][0]
        assert source["jsonData"]["timeInterval"] == SCRAPE_INTERVAL
        assert (provisioning / "dashboards" / "vod.yml").exists()
    given = received["environment"]

    assert received["arguments"][0] == "server"
    assert (Path(given["VOD_DASHBOARDS"]) / "vod-overview.json").exists()
    assert given["PROMETHEUS_URL"].startswith("http://127.0.0.1:")
    assert given["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert {given[name] for name in given if re.search("CHECK_FOR|REPORTING", name)} == {"false"}
    assert not is_running(received["pid"])


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("9.4.7", "Grafana 9.4.7 is too old: the dashboards need 10.4.0 or later."),
        ("10.4.0", None),
        ("12.0.1", None),
        ("", None),
    ],
)
def test_a_grafana_older_than_the_dashboards_need_says_so(empty_path: Path, version: str, line: str | None) -> None:
    answer = f"self.end_headers(); self.wfile.write(json.dumps(dict(version={version!r})).encode())"
    stand_in = STAND_IN.replace("self.end_headers()", answer)
    program(empty_path, "grafana", stand_in.format(python=sys.executable, received=str(empty_path / "received.json")))
    with Stack("http://127.0.0.1:9") as stack:
        assert stack.lines[3:] == ([line] if line else [])


def test_an_installed_package_has_the_files() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    needed = {
        *("deploy/prometheus", "deploy/alertmanager", "docs/runbooks", "grafana/dashboards", "grafana/provisioning"),
        *("deploy/systemd", "deploy/config.example.yml"),
    }

    assert {name: f"exporter/share/{name}" for name in needed} == included
    for name in needed:
        assert files(name) == ROOT / name
        assert (ROOT / name).is_file() or list((ROOT / name).iterdir())
