"""The stack of the demo: Prometheus, Alertmanager and Grafana, started from the PATH.

Each program uses the rules and dashboards of this repository, listens on a free port of loopback, and keeps its data in
a temporary folder. It sends nothing to other machines, and stops with the demo.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import requests
import yaml

from exporter.share import files
from exporter.web.listener import listen

SCRAPE_INTERVAL = "5s"
_READY_SECONDS = 30.0
_END_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Program:
    """A program: `names` are its commands, `get` how to install it, `ready` a path that answers 200 once it is up."""

    title: str
    names: tuple[str, ...]
    get: str
    ready: str
    command: Callable[[Stack, str, int], list[str]]
    environment: Callable[[Stack, int], Mapping[str, str]] = lambda stack, port: {}  # noqa: ARG005 - all have this signature
    page: str = "/"


@dataclass(slots=True)
class Stack:
    """The programs around the exporter at the URL `exporter`. Use it in a `with`: entering starts, leaving stops them.

    `lines` then has a line for each program: its URL, or why it does not run. When `stopped` returns True, no further
    program is started, and the wait for a starting one ends.
    """

    exporter: str
    stopped: Callable[[], bool] = lambda: False
    lines: list[str] = field(default_factory=list)
    folder: Path = field(init=False)
    _temporary: tempfile.TemporaryDirectory[str] = field(init=False)
    _urls: dict[str, str] = field(default_factory=dict)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Stack:
        self._temporary = tempfile.TemporaryDirectory(prefix="vod-transcode-stack-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        try:
            for program in _PROGRAMS:
                if self.stopped():
                    break
                self.lines.append(f"{program.title:<12} {self._start(program)}")
            if (grafana := self.url("Grafana")) and (warning := _too_old(grafana)):
                self.lines.append(warning)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def url(self, title: str) -> str | None:
        """The base URL of the program with this title; None if it does not run."""
        return self._urls.get(title)

    def _start(self, program: _Program) -> str:
        """Start the program. Returns the URL of its page, or the reason why it does not run."""
        path = next(filter(None, map(shutil.which, program.names)), None)
        if path is None:
            return f"not on the PATH; {program.get}"
        with listen("127.0.0.1:0") as free:
            port = free.getsockname()[1]
        log = self.folder / f"{program.title}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - the user asked for programs from the PATH
                [*_die_with_parent(), *program.command(self, path, port)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **program.environment(self, port)},
                cwd=self.folder,
                start_new_session=True,  # so that Ctrl-C reaches only the demo, which stops the programs in order
            )
        self._running.append(process)
        url = f"http://127.0.0.1:{port}"
        if not self._is_ready(process, url + program.ready):
            last_line = log.read_text(errors="replace").strip().rpartition("\n")[2]
            return f"does not start: {last_line[:300] or 'no output'}"
        self._urls[program.title] = url
        return url + program.page

    def _is_ready(self, process: subprocess.Popen[bytes], url: str) -> bool:
        until = time.monotonic() + _READY_SECONDS
        while process.poll() is None and time.monotonic() < until and not self.stopped():
            with suppress(requests.RequestException):
                if requests.get(url, timeout=1).status_code == 200:
                    return True
            time.sleep(0.05)
        return False

    def _stop(self) -> None:
        for process in self._running:
            process.terminate()
        until = time.monotonic() + _END_SECONDS
        for process in self._running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._temporary.cleanup()


def _die_with_parent() -> list[str]:
    """A prefix for the command, with which Linux stops the program even if the demo is killed."""
    return [path, "--pdeathsig", "TERM"] if (path := shutil.which("setpriv")) else []


def _prometheus(stack: Stack, path: str, port: int) -> list[str]:
    rules = files("deploy/prometheus")
    config = yaml.safe_load((rules / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] |= {"scrape_interval": SCRAPE_INTERVAL, "scrape_timeout": "5s", "evaluation_interval": "5s"}
    config["rule_files"] = [str(rules / name) for name in config["rule_files"]]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [urlsplit(stack.exporter).netloc]}]
    alertmanager = stack.url("Alertmanager")
    targets = [urlsplit(alertmanager).netloc] if alertmanager else []
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": targets}]}]
    return [
        path,
        f"--config.file={_written(stack, 'prometheus.yml', config)}",
        f"--storage.tsdb.path={stack.folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]


def _alertmanager(stack: Stack, path: str, port: int) -> list[str]:
    config = yaml.safe_load((files("deploy/alertmanager") / "alertmanager.yml").read_text(encoding="utf-8"))
    config["receivers"] = [{"name": receiver["name"]} for receiver in config["receivers"]]  # a demo notifies nobody
    return [
        path,
        f"--config.file={_written(stack, 'alertmanager.yml', config)}",
        f"--storage.path={stack.folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]


def _grafana(_: Stack, path: str, port: int) -> list[str]:  # noqa: ARG001 - Grafana takes the port from its environment
    command = [path, "server"] if Path(path).name == "grafana" else [path]
    places = (Path("/usr/share/grafana"), *Path(path).resolve().parents)
    home = next((place for place in places if (place / "conf" / "defaults.ini").exists()), None)
    return [*command, *([f"--homepath={home}"] if home else [])]


def _grafana_environment(stack: Stack, port: int) -> Mapping[str, str]:
    data = stack.folder / "grafana"
    return {
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_PATHS_DATA": str(data),
        "GF_PATHS_LOGS": str(data / "log"),
        "GF_PATHS_PLUGINS": str(data / "plugins"),
        "GF_PATHS_PROVISIONING": str(_provisioning(stack)),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Admin",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_LOG_MODE": "console",
        "GF_LOG_LEVEL": "warn",
        "PROMETHEUS_URL": stack.url("Prometheus") or "http://127.0.0.1:9090",
        "VOD_DASHBOARDS": str(files("grafana/dashboards")),
    }


def _too_old(grafana: str) -> str | None:
    """A sentence if this Grafana is older than the dashboards say they need; None if it is not, or does not say."""
    dashboard = json.loads((files("grafana/dashboards") / "vod-overview.json").read_text(encoding="utf-8"))
    needed = next(each["version"] for each in dashboard["__requires"] if each["type"] == "grafana")
    try:
        version = str(requests.get(f"{grafana}/api/health", timeout=5).json()["version"])
    except (requests.RequestException, ValueError, TypeError, KeyError):
        return None
    found, least = (tuple(map(int, re.findall(r"\d+", text)[:2])) for text in (version, needed))
    return f"Grafana {version} is too old: the dashboards need {needed} or later." if () < found < least else None


def _provisioning(stack: Stack) -> Path:
    """A copy of the provisioning files, with the scrape interval of this Prometheus, from which rates follow."""
    copy = stack.folder / "provisioning"
    shutil.copytree(files("grafana/provisioning"), copy)
    path = copy / "datasources" / "prometheus.yml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["datasources"][0]["jsonData"]["timeInterval"] = SCRAPE_INTERVAL
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return copy


def _written(stack: Stack, name: str, config: object) -> Path:
    path = stack.folder / name
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


_PROGRAMS = (
    _Program(
        title="Alertmanager",
        names=("alertmanager", "prometheus-alertmanager"),
        get="install the Debian package prometheus-alertmanager, or see https://prometheus.io/download/",
        ready="/-/ready",
        command=_alertmanager,
    ),
    _Program(
        title="Prometheus",
        names=("prometheus",),
        get="install the Debian package prometheus, or see https://prometheus.io/download/",
        ready="/-/ready",
        page="/alerts",
        command=_prometheus,
    ),
    _Program(
        title="Grafana",
        names=("grafana", "grafana-server"),
        get="download it from https://grafana.com/grafana/download",
        ready="/api/health",
        page="/d/vod-overview",
        command=_grafana,
        environment=_grafana_environment,
    ),
)
