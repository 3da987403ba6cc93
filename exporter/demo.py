"""The demo: a simulated VOD account, the exporter on it, and a scraper that tells what it sees."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TextIO

import requests

from exporter import config, wiring
from exporter.errors import ListenError
from exporter.metrics.telemetry import Telemetry
from exporter.model import TASK_FINAL
from exporter.scrape.scraper import Scraper
from exporter.secret import SecretText
from exporter.simulator.server import Simulator
from exporter.snapshot import AccountSnapshot
from exporter.web.app import Interface
from exporter.web.listener import listen
from exporter.web.server import GRACE_SECONDS, Server

SCRAPE_INTERVAL_SECONDS = 5.0
RECENT_SECONDS = 600.0
HISTORY_SECONDS = 420.0  # of the world, before it starts: some tasks have ended, some run

_WELCOME = """\
Metrics      {url}/metrics
Status page  {url}/
Simulator    {simulator}/  (what is true of it: {simulator}/simulator/truth?summary=1)
Ctrl-C ends it.
"""


class Demo:
    """Serves the exporter on `address`, or on a free port where that one is taken."""

    def __init__(self, simulator: Simulator, address: str) -> None:
        self._simulator = simulator
        keys = config.AccountKeys(access_key_id=SecretText("simulator"), access_key_secret=SecretText("simulator"))
        account = config.Account(name="demo", endpoint=simulator.url, credentials=keys)
        settings = config.Settings(accounts=(account,), scrape=config.ScrapeSettings(min_interval=1.0))
        telemetry = Telemetry()
        self._ledger = wiring.ledger(account, settings.series)
        self._scraper = Scraper(
            [wiring.account(account, settings, telemetry, self._ledger)], min_interval=settings.scrape.min_interval
        )
        interface = Interface(self._scraper, telemetry, timeout=settings.scrape.timeout, offset=settings.scrape.offset)
        try:
            listener = listen(address)
        except ListenError:
            listener = listen("127.0.0.1:0")
        self._url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._server = Server(interface.app(), listener)
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()

    def run(self, out: TextIO) -> None:
        """Scrape and tell until `stop`."""
        serving = threading.Thread(target=self._server.serve_until_stopped, name="web", daemon=True)
        serving.start()
        print(_WELCOME.format(url=self._url, simulator=self._simulator.url), file=out, flush=True)
        while not self._stopping.is_set():
            self._track_recent_tasks()
            began = time.monotonic()
            told = self._scrape()
            took = time.monotonic() - began
            _tell(f"{time.strftime('%H:%M:%S')}  {told}, scrape {took:.1f} s", out)
            self._stopping.wait(SCRAPE_INTERVAL_SECONDS - took)
        print(file=out, flush=True)
        self._server.stop()
        serving.join(GRACE_SECONDS)
        self._scraper.close()

    def _track_recent_tasks(self) -> None:
        """What an application does that submits jobs: it tells the exporter the ids of its tasks."""
        world = self._simulator.world
        with world.lock:
            since = world.told(world.advance()) - RECENT_SECONDS
            recent = [task.id for task in world.tasks if world.told(task.created) >= since]
        self._ledger.name("demo", recent, source="tasks")

    def _scrape(self) -> str:
        try:
            answer = requests.get(f"{self._url}/metrics", timeout=30, headers={"Connection": "close"})
            answer.raise_for_status()
        except requests.RequestException as error:
            return f"no answer from the exporter: {type(error).__name__}"
        return _summary(self._scraper.snapshot().accounts[0], series=_series(answer.text))


def _series(exposition: str) -> int:
    return sum(1 for line in exposition.splitlines() if line and not line.startswith("#"))


def _summary(account: AccountSnapshot, *, series: int) -> str:
    view = account.view
    finished = sum(view.task_counts[status] for status in TASK_FINAL)
    jobs: Counter[str] = Counter()
    for (_, status), count in view.job_counts.items():
        jobs[status] += count
    return (
        f"tasks {sum(view.task_counts.values()) - finished} running, {finished} finished; jobs {jobs['Transcoding']}"
        f" transcoding, {jobs['TranscodeSuccess']} done, {jobs['TranscodeFail']} failed; {series} series"
    )


def _tell(line: str, out: TextIO) -> None:
    """On a terminal one line that changes, elsewhere a line each time."""
    if out.isatty():
        out.write(f"\r\x1b[K{line}")
    else:
        out.write(f"{line}\n")
    out.flush()
