"""The demo: a simulated VOD account, an exporter for it, and a scraper that prints a summary."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TextIO

import requests

from exporter import config, wiring
from exporter.command.signals import signals
from exporter.command.stack import Stack
from exporter.command.terminal import COUNTS, LiveLine
from exporter.errors import ListenError
from exporter.keys import Key
from exporter.metrics.telemetry import Telemetry
from exporter.model import TASK_FINAL
from exporter.simulator.server import Simulator
from exporter.simulator.service import Options
from exporter.snapshot import AccountSnapshot
from exporter.tracking.store import MemoryStore
from exporter.web.listener import listen_all, parse, url
from exporter.web.server import Server

ADDRESS = "127.0.0.1:10870"
SCRAPE_INTERVAL_SECONDS = 5.0
DISCOVERY_INTERVAL_SECONDS = 5.0
LOOKBACK_SECONDS = 3600.0  # covers the history below; a day would cost more calls at the first scrape
HISTORY_SECONDS = 210.0  # of the simulated world, so that some tasks have finished and some run at the start

# Of the simulated outputs, in US dollars per minute, so that the dashboards show a cost. deploy/config.example.yml has
# the sources.
_PRICES = {
    "Audio": 0.0009,
    "H264.LD": 0.0033,
    "H264.SD": 0.0050,
    "H264.HD": 0.0099,
    "H264.2K": 0.0213,
    "H264.4K": 0.0427,
}

_WELCOME = """\
Metrics      {url}/metrics
Status page  {url}/
Simulator    {simulator}/  (its true state: {simulator}/simulator/truth?summary=1)
"""


def run(args: argparse.Namespace) -> int:
    """Run the demo until a signal. Returns the exit status. Raises `ListenError`."""
    os.environ["no_proxy"] = "*"  # the demo only makes requests to loopback
    listen = parse(args.simulator_listen_address)
    world: Options = {
        "seed": args.seed,
        "scenario": args.scenario,
        "speed": args.speed,
        "history": HISTORY_SECONDS,
    }
    with signals(hangup=True) as stopped, Simulator(listen=listen, **world) as simulator:
        try:
            Demo(simulator, args.web_listen_address or (), stack=args.stack).run(sys.stdout, stopped)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise BrokenPipeError from None  # EIO: the terminal was closed
    return 0


class Demo:
    """An exporter for the account of `simulator`. With `stack`, also Prometheus, Alertmanager and Grafana.

    It listens on `addresses`. Without any: on port 10870 of loopback, or on a free port if 10870 is taken. Raises
    `ListenError` if it cannot listen on one of them.
    """

    def __init__(self, simulator: Simulator, addresses: Sequence[str], *, stack: bool = False) -> None:
        self._simulator = simulator
        self._with_stack = stack
        keys = config.AccountKeys(access_key_id=Key("simulator"), access_key_secret=Key("simulator"))
        track = config.Track(discovery=config.Discovery(interval=DISCOVERY_INTERVAL_SECONDS, lookback=LOOKBACK_SECONDS))
        account = config.Account(name="demo", endpoint=simulator.url, credentials=keys, track=track)
        billing = config.Billing(currency="USD", prices=_PRICES)
        settings = config.Settings(accounts=(account,), scrape=config.ScrapeSettings(min_interval=1.0), billing=billing)
        telemetry = Telemetry()
        telemetry.price("USD", billing.prices)
        self._scraper = wiring.scraper(settings, telemetry, MemoryStore())
        interface = wiring.interface(settings, self._scraper, telemetry)
        self._note = ""
        try:
            listeners = listen_all(addresses or [ADDRESS])
        except ListenError:
            if addresses:
                raise
            listeners = listen_all(["127.0.0.1:0"])
            self._note = f"{ADDRESS} is in use, so the exporter listens on a free port.\n"
        self._url = url(listeners[0])
        self._server = Server(interface.app(), listeners, timeout=settings.scrape.timeout, crowd=interface.crowd)

    def run(self, out: TextIO, stopped: Callable[[], bool]) -> None:
        """Serve, scrape, and print a summary of each scrape to `out`, until `stopped` returns True."""
        serving = threading.Thread(target=self._server.serve_until_stopped, name="web", daemon=True)
        serving.start()
        try:
            out.write(self._note + _WELCOME.format(url=self._url, simulator=self._simulator.url))
            out.flush()
            with Stack(self._url, stopped) if self._with_stack else nullcontext() as stack:
                out.write("".join(f"{line}\n" for line in (*(stack.lines if stack else ()), "Press Ctrl-C to stop.")))
                out.flush()
                self._scrape_until(out, stopped)
            out.write("\n")
            out.flush()
        finally:
            self._server.stop()
            serving.join()
            self._scraper.close()

    def _scrape_until(self, out: TextIO, stopped: Callable[[], bool]) -> None:
        line = LiveLine(out, COUNTS)
        while not stopped():
            started = time.monotonic()
            summary = self._scrape()
            line.show(f"{time.strftime('%H:%M:%S')}  {summary}, scrape {time.monotonic() - started:.1f} s")
            while not stopped() and time.monotonic() < started + SCRAPE_INTERVAL_SECONDS:
                time.sleep(0.05)
                line.fit()

    def _scrape(self) -> str:
        try:
            answer = requests.get(f"{self._url}/metrics", timeout=30)
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
