"""The exporter in its own process, with two accounts: `day` and `kept`."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import requests

RATE = 2.0
"""Calls a second of each operation in the account `kept`: so slow that calls have to wait."""
AT_ONCE = 4
KEY = "the-key-of-the-callback"
TOKEN = "the-token-of-the-registration-api"
CURRENCY = "USD"
PRICES = {"Audio": 0.0009, "H264.LD": 0.0034, "H264.SD": 0.005, "H264.HD": 0.0101}
_KEYS = {"access_key_id": "simulator", "access_key_secret": "simulator"}
# The exporter exposes new counters at 0 for minutes. Here it is a second, so that the last totals are soon seen.
_EXPORTER = """
import sys
from functools import partial
from exporter.command import cli, serving
serving.Exporter = partial(serving.Exporter, hold=1.0)
sys.exit(cli.main())
"""


class Exporter:
    """It always starts with the same configuration and state file.

    `day` and `kept` are the endpoints of the accounts, `rate` the calls a second for `day`. `tasks` are the ids that
    the configuration of `kept` names.
    """

    def __init__(self, folder: Path, *, day: str, rate: float, kept: str, tasks: Sequence[str]) -> None:
        self.starts = 0
        self._config = folder / "config.yml"
        self._log = folder / "exporter.log"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        self.url = f"http://{self._address}"
        token = folder / "token"
        accounts = [
            {
                "name": "day",
                "endpoint": day,
                "requests_per_second": rate,
                "track": {"discovery": {"interval": "5s"}},
            },
            {
                "name": "kept",
                "region": "cn-shanghai",
                "endpoint": kept,
                "requests_per_second": RATE,
                "track": {"tasks": list(tasks), "discovery": {"enabled": False}},
            },
        ]
        for account in accounts:
            account |= {"credentials": _KEYS, "callback": {"url": self.callback(str(account["name"])), "key": KEY}}
        config = {
            "accounts": accounts,
            "scrape": {"timeout": "20s", "offset": "200ms", "min_interval": 0, "concurrency": AT_ONCE},
            "series": {"retention": "5m", "max_jobs": 1000},
            "billing": {"currency": CURRENCY, "prices": PRICES, "usage": True},
            "api": {"token_file": str(token)},
            "state": {"path": str(folder / "state.db")},
        }
        for file, text in ((token, TOKEN), (self._config, json.dumps(config))):  # JSON is YAML
            file.write_text(text)
            file.chmod(0o600)
        self._process: subprocess.Popen[bytes] | None = None

    def callback(self, account: str) -> str:
        return f"{self.url}/callback/{account}"

    def start(self) -> None:
        self.starts += 1
        command = [sys.executable, "-c", _EXPORTER, f"--config.file={self._config}", "--log.level=error"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([*command, f"--web.listen-address={self._address}"], stderr=log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def check(self) -> None:
        """Raises if the process has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise SystemExit(f"the exporter has ended: {self._log.read_text()[-2000:]}")

    def register(self, task_ids: Sequence[str]) -> None:
        """Register tasks of the account `kept`."""
        body = {"account": "kept", "task_ids": list(task_ids)}
        self._api("POST", "", {"Authorization": f"Bearer {TOKEN}"}, body).raise_for_status()

    def ready(self) -> bool:
        """Whether it answers."""
        self.check()
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/-/ready", timeout=10).ok
        return False

    def delete(self, task_id: str) -> None:
        """Delete a task of the account `kept`."""
        self._api("DELETE", f"/{task_id}?account=kept", {"Authorization": f"Bearer {TOKEN}"}).raise_for_status()

    def be_refused(self) -> None:
        """Send a request without a token."""
        if self._api("GET", "", {}).status_code != 401:
            raise SystemExit("the exporter answers requests without a token")

    def _api(self, method: str, path: str, headers: dict[str, str], body: object = None) -> requests.Response:
        return requests.request(method, f"{self.url}/api/v1/tasks{path}", headers=headers, json=body, timeout=30)
