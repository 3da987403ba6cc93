"""Two replicas in processes of their own: whatever happens to the holder, each finish is counted and shown once."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import requests

from exporter.replicas import schema
from exporter.simulator.server import Simulator
from tests.conftest import Simulators, wait_until
from tests.faults.conftest import ExporterProcess
from tests.replicas.conftest import Network, Server

pytestmark = pytest.mark.stack

LEASE = 5.0  # seconds, the shortest
RATE = 50  # calls per second
JOBS_FINISHED = "vod_transcode_jobs_finished_total"


class Pair:
    """Replicas on one database and one simulated account. Each reaches the database over a network of its own."""

    def __init__(
        self, folder: Path, server: Server, database: str, simulator: Simulator, *, names: Sequence[str] = ("a", "b")
    ) -> None:
        self.networks = {name: Network(server.port) for name in names}
        self.simulator, self.server, self.database = simulator, server, database
        self._configs = {
            name: (
                f"accounts:\n  - name: prod\n    endpoint: {simulator.url}\n    requests_per_second: {RATE}\n"
                "    credentials: {access_key_id: simulator, access_key_secret: simulator}\n"
                "scrape: {min_interval: 0, timeout: 5s}\n"
                "api: {token: 0123456789abcdef}\n"
                f"state: {{postgres: {{dsn: '{server.url(database, port=port)}'}}, lease: 5s, replica: {name}}}\n"
            )
            for name, port in ((name, network.port) for name, network in self.networks.items())
        }
        self._folder = folder
        self.running: dict[str, ExporterProcess] = {}
        self._lowest = 0.0

    def stop(self) -> list[int]:
        return [exporter.stop() for exporter in self.running.values()]

    def start(self, name: str) -> ExporterProcess:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        self.running[name] = ExporterProcess(folder, self._configs[name])
        self.running[name].wait_until_listening()
        return self.running[name]

    def scraped(self, name: str) -> str:
        """The metrics of a replica; nothing from a process that is stopped or has ended."""
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.running[name].url}/metrics", timeout=6).text
        return ""

    def holders(self, *names: str) -> list[str]:
        """Who shows the account, in one round of scrapes. The total never falls, and there are never two holders."""
        pages = {name: self.scraped(name) for name in names or tuple(self.running)}
        held = [name for name, text in pages.items() if 'vod_exporter_account_held{account="prod"} 1.0' in text]
        for name, text in pages.items():
            assert (name in held) == (f'{JOBS_FINISHED}{{account="prod"' in text)
        assert len(held) <= 1
        for name in held:
            total = self.total(pages[name])
            assert total >= self._lowest
            self._lowest = total
        return held

    def wait_for_holder(self, name: str, *scraped: str) -> None:
        wait_until(lambda: self.holders(*scraped) == [name], seconds=120, pause=0.2)

    def shown(self) -> list[float]:
        """The total of each holder."""
        return [self.total(self.scraped(name)) for name in self.holders()]

    def close(self) -> None:
        for exporter in self.running.values():
            exporter.process.send_signal(signal.SIGCONT)
            exporter.close()
        for network in self.networks.values():
            network.close()

    @staticmethod
    def total(text: str) -> float:
        lines = (line for line in text.splitlines() if line.startswith(f"{JOBS_FINISHED}{{"))
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def true_total(self) -> int:
        """How many jobs have ended since the state was created: the world stands still from now on."""
        self.simulator.clock.freeze()
        now = json.loads(self.simulator.truth(only_counts=False).body)
        created = self.server.execute(f"SELECT state_created FROM {schema.NAME}.accounts", database=self.database)
        return sum(
            (job["completed"] or 0) >= int(created[0][0]) and job["status"] != "Transcoding"
            for task in now["tasks"]
            for job in task["jobs"]
        )


@pytest.fixture
def pair(tmp_path: Path, server: Server, database: str, simulators: Simulators) -> Iterator[Pair]:
    simulator = simulators(seed=3, speed=20.0, quota=float("inf"))
    replicas = Pair(tmp_path, server, database, simulator)
    yield replicas
    replicas.close()


FAULTS = ("kill", "stop", "cut", "terminate", "restart")


def break_it(fault: str, name: str, pair: Pair) -> None:
    match fault:
        case "kill":
            pair.running[name].process.kill()
        case "stop":
            pair.running[name].process.send_signal(signal.SIGSTOP)
        case "cut":
            pair.networks[name].cut()
        case "terminate":
            pair.server.terminate(name)
        case "restart":
            pair.server.stop()
            pair.server.start()


def mend_it(fault: str, name: str, pair: Pair) -> None:
    match fault:
        case "kill":
            pair.running[name].close()
            pair.start(name)
        case "stop":
            pair.running[name].process.send_signal(signal.SIGCONT)
        case "cut":
            pair.networks[name].mend()


def test_after_any_fault_each_finish_is_counted_once_and_one_replica_shows_the_account(pair: Pair) -> None:
    pair.start("a")
    pair.start("b")
    for fault in FAULTS:
        wait_until(lambda: len(pair.holders()) == 1, seconds=120, pause=0.2)
        (holder,) = pair.holders()
        (other,) = {"a", "b"} - {holder}
        break_it(fault, holder, pair)
        if fault in ("kill", "stop", "cut"):
            pair.wait_for_holder(other, other)  # a process that is stopped answers no scrape
            mend_it(fault, holder, pair)
            pair.wait_for_holder(other)  # the first one comes back, and does not take the account

    wait_until(lambda: len(pair.holders()) == 1, seconds=120, pause=0.2)
    expected = pair.true_total()
    wait_until(lambda: pair.shown() == [expected], seconds=120, pause=0.2)

    assert expected > 0
    assert pair.stop() == [0, 0]
