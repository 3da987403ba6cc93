"""A fault of the simulated service causes the message of an alert, through Prometheus and Alertmanager.

Both programs are Debian's, with the rules and the routing of `deploy/`. Only times are shortened: the durations of
rules and routing by `FACTOR`, and also the intervals of scrapes and evaluations, and the retention of the exporter.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from exporter.simulator.faults import Fault
from exporter.simulator.plan import ERRORS
from exporter.simulator.scenario import SCENARIOS, Outage, Scenario
from exporter.simulator.server import Simulator
from tests.conftest import exporter_command
from tests.integration.programs import is_ready, reserved_address, wait_until
from tests.integration.programs import running as running_program

pytestmark = pytest.mark.stack

DEPLOY = Path(__file__).parents[2] / "deploy"
FACTOR = 60  # a minute takes a second
EXPORTER = """\
accounts:
  - name: studio
    endpoint: {simulator}
    credentials: {{access_key_id: simulator, access_key_secret: simulator}}
    requests_per_second: 100
    track: {{discovery: {{lookback: 1h, interval: 5s}}}}
scrape: {{min_interval: 100ms}}
series: {{retention: 15s, max_staleness: 5s}}
state: {{memory: true}}
"""
PROMETHEUS = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [loaded/*.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]}}
scrape_configs: [{{job_name: vod-transcode, static_configs: [{{targets: ["{exporter}"]}}]}}]
"""
WITHOUT_DATA: dict[str, str] = {
    "VodExporterAbsent": "has data only if the series are missing",
    "VodUsageNotCounted": "needs data of a day, and what VOD has billed",
    "VodQueueGrowing": "needs data of an hour, which is a minute here: longer than this test",
    "VodJobSlow": "no job here is fifteen minutes old",
    "job_account_definition_job_id:vod_transcode_job_age_seconds:slow": "no job here is fifteen minutes old",
}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Message = dict[str, Any]


class Receiver(ThreadingHTTPServer):
    """Receives the messages of Alertmanager. Each is in `messages` with its path, the name of the receiver."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[tuple[str, Message]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def firing(self) -> set[str]:
        return {alert["labels"]["alertname"] for _, message in list(self.messages) for alert in message["alerts"]}


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert isinstance(self.server, Receiver)
        self.server.messages.append((self.path.removeprefix("/"), body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has this name
        """Nothing."""


class Stack:
    """The simulator in a scenario, the exporter on it, Prometheus, Alertmanager and a receiver."""

    def __init__(self, simulator: Simulator, receiver: Receiver, prometheus: str, alertmanager: str) -> None:
        self.simulator = simulator
        self.receiver = receiver
        self._prometheus = prometheus
        self._alertmanager = alertmanager

    def query(self, query: str) -> list[dict[str, Any]]:
        answer = requests.get(f"http://{self._prometheus}/api/v1/query", params={"query": query}, timeout=10)
        rows: list[dict[str, Any]] = answer.json()["data"]["result"]
        return rows

    def scraped(self) -> bool:
        return bool(self.query("vod_up == 1"))

    def firing(self) -> set[str]:
        """Names of the alerts that Prometheus fires."""
        alerts = requests.get(f"http://{self._prometheus}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def inhibited(self) -> set[str]:
        """Names of the alerts that another alert inhibits in Alertmanager."""
        alerts = requests.get(f"http://{self._alertmanager}/api/v2/alerts", timeout=10).json()
        return {alert["labels"]["alertname"] for alert in alerts if alert["status"]["inhibitedBy"]}


@pytest.fixture
def stack(tmp_path: Path, tool: Callable[[str], str]) -> Iterator[Callable[[Scenario, float], Stack]]:
    programs = tool("prometheus"), tool("prometheus-alertmanager")
    with ExitStack() as running:

        def start(scenario: Scenario, speed: float) -> Stack:
            simulator = running.enter_context(Simulator(scenario=scenario, speed=speed, quota=math.inf))
            receiver = running.enter_context(serving(Receiver()))
            addresses = [running.enter_context(reserved_address()) for _ in range(3)]
            exporter, prometheus, alertmanager = addresses
            write_configuration(tmp_path, simulator.url, receiver.url, exporter, alertmanager)
            commands = [
                [*exporter_command(), "--config.file=exporter.yml", f"--web.listen-address={exporter}"],
                [
                    *(programs[0], "--config.file=prometheus.yml", "--storage.tsdb.path=data"),
                    *(f"--web.listen-address={prometheus}", "--web.enable-lifecycle", "--query.lookback-delta=5s"),
                ],
                [
                    *(programs[1], "--config.file=alertmanager.yml", "--storage.path=alerts"),
                    *(f"--web.listen-address={alertmanager}", "--cluster.listen-address="),
                ],
            ]
            for number, command in enumerate(commands):
                running.enter_context(running_program(command, tmp_path, f"{number}.log"))
            wait_until(lambda: all(is_ready(address) for address in addresses))
            started = Stack(simulator, receiver, prometheus, alertmanager)
            # Prometheus finds its targets after seconds. In shortened time these are minutes, and an alert would fire.
            wait_until(started.scraped)
            (tmp_path / "rules").rename(tmp_path / "loaded")
            requests.post(f"http://{prometheus}/-/reload", timeout=30).raise_for_status()
            return started

        yield start


def test_failures_arrive_grouped_with_code_definition_and_jobs(stack: Callable[[Scenario, float], Stack]) -> None:
    """Single failures are in one message for the account. The alert about many failures goes to `on-call`."""
    running = stack(replace(SCENARIOS["failures"], history=300.0), 20.0)
    wait_until(lambda: {"VodJobsFailing", "VodJobFailureRatioHigh"} <= running.receiver.firing())
    messages = running.receiver.messages

    digest = next(message for receiver, message in messages if receiver == "digest")
    assert digest["groupLabels"] == {"job": "vod-transcode", "account": "studio"}
    assert len(digest["alerts"]) > 1
    truth = requests.get(f"{running.simulator.url}/simulator/truth", timeout=30).json()
    failed = {
        (job["job_id"], job["definition"])
        for task in truth["tasks"]
        for job in task["jobs"]
        if job["status"] == "TranscodeFail"
    }
    for alert in digest["alerts"]:
        labels, description = alert["labels"], alert["annotations"]["description"]
        assert (labels["alertname"], labels["severity"]) == ("VodJobsFailing", "info")
        assert labels["error_code"] in ERRORS
        assert f"{labels['definition']} jobs of account studio failed with {labels['error_code']}" in description
        jobs = re.findall(r"\b[0-9a-f]{32}\b", description)
        assert jobs, description
        assert {(job, labels["definition"]) for job in jobs} <= failed

    on_call = next(
        message for _, message in messages if message["groupLabels"].get("alertname") == "VodJobFailureRatioHigh"
    )
    assert on_call["receiver"] == "on-call"
    assert re.search(r"% of the \w+ jobs of account studio", on_call["alerts"][0]["annotations"]["description"])


def test_an_outage_is_one_message_and_inhibits_the_alerts_that_it_causes(
    stack: Callable[[Scenario, float], Stack],
) -> None:
    running = stack(replace(SCENARIOS["outage"], outage=None, history=300.0), 1.0)
    # `vod_up` is 1 before the first jobs are known. In an outage from then on, no job would be stale.
    wait_until(lambda: running.query('vod_transcode_jobs{status="Transcoding"} > 0'))
    running.simulator._outage = Outage(after=0.0, lasts=3600.0, every=7200.0)  # now that all programs run
    wait_until(lambda: "VodDataStale" in running.firing() and "VodDataStale" in running.inhibited())
    wait_until(lambda: running.receiver.messages)

    [(receiver, message)] = running.receiver.messages
    assert receiver == "on-call"
    [alert] = message["alerts"]
    assert alert["labels"] == {
        "alertname": "VodAccountUnreachable",
        "job": "vod-transcode",
        "account": "studio",
        "severity": "critical",
    }
    assert "ServiceUnavailable" in alert["annotations"]["description"]


def test_every_expression_of_every_rule_finds_data(stack: Callable[[Scenario, float], Stack]) -> None:
    """Each expression has a result at some moment. Thresholds select no series here: `> bool 60` replaces `> 60`."""
    running = stack(replace(SCENARIOS["failures"], stuck_share=0.2, history=300.0), 20.0)
    for code in ("Throttling.User", "SignatureDoesNotMatch"):
        running.simulator.faults.add(Fault(kind="code", code=code, share=0.005))
    left = expressions()
    assert len(left) > 30

    def all_found() -> bool:
        for name in [name for name, query in left.items() if running.query(query)]:
            del left[name]
        return not left.keys() - WITHOUT_DATA.keys()

    wait_until(all_found, message=lambda: f"no data: {left.keys() - WITHOUT_DATA.keys()}")


def expressions() -> dict[str, str]:
    """The expression of every rule, by name, with shortened times and without the selection by thresholds."""
    found = {}
    for file in (DEPLOY / "prometheus").glob("vod-transcode.*.yml"):
        for group in yaml.safe_load(shortened(file.read_text()))["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    found[rule["record"]] = rule["expr"]
                else:
                    found[rule["alert"]] = re.sub(r"(?<=\s)(>=|<=|==|!=|>|<) (?=[\d.])", r"\1 bool ", rule["expr"])
    return found


def shortened(text: str) -> str:
    """The text with its durations divided by `FACTOR`: after keys such as `for:`, in `[..:..]`, and after `offset`."""

    def milliseconds(match: re.Match[str]) -> str:
        return f"{match[1]}{int(match[2]) * _UNITS[match[3]] * 1000 // FACTOR}ms"

    keys = "for|interval|group_wait|group_interval|repeat_interval"
    windows = re.sub(rf"((?m:^ *(?:{keys}): )|\[|\boffset )(\d+)([smhd])\b", milliseconds, text)
    return re.sub(r"(\[\d+ms:)(\d+)([smhd])\b", milliseconds, windows)


def write_configuration(folder: Path, simulator: str, receiver: str, exporter: str, alertmanager: str) -> None:
    (folder / "exporter.yml").write_text(EXPORTER.format(simulator=simulator))
    (folder / "prometheus.yml").write_text(PROMETHEUS.format(alertmanager=alertmanager, exporter=exporter))
    (folder / "rules").mkdir()
    for file in (DEPLOY / "prometheus").glob("vod-transcode.*.yml"):
        (folder / "rules" / file.name).write_text(shortened(file.read_text()))
    routing = shortened((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    routing = routing.replace("http://alerts.example.org", receiver)
    routing = re.sub(r"    email_configs:\n( {6}.*\n)+", "", routing)
    assert "@" not in routing.partition("receivers:\n")[2]
    (folder / "alertmanager.yml").write_text(routing)


@contextlib.contextmanager
def serving(server: Receiver) -> Iterator[Receiver]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
