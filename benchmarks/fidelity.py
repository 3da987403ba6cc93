"""Are the totals true? In a simulated day with errors the exporter is killed repeatedly.

    python benchmarks/fidelity.py                      # ten minutes
    python benchmarks/fidelity.py --tasks 60 --speed 60 --kill-every 4

Prints the totals of the exporter beside those of the simulator's truth. The exit status is 1 if they differ, or if a
total was ever lower than in the scrape before.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from exporter.keys import SecretText
from exporter.simulator.events import Events
from exporter.simulator.faults import Fault
from exporter.simulator.scenario import SCENARIOS
from exporter.simulator.server import Simulator

CONFIG = """\
accounts:
  - name: day
    endpoint: {url}
    credentials: {{access_key_id: simulator, access_key_secret: simulator}}
    requests_per_second: {rate}
    track: {{discovery: {{interval: 5s}}}}
    callback: {{url: "{callback}", key: {key}}}
scrape: {{timeout: 2s, offset: 200ms, min_interval: 0}}
series: {{per_job: false, retention: 30s}}
state: {{path: {state}}}
"""
# The exporter exposes new counters at 0 for minutes. Here it is a second, so that the last totals are soon seen.
EXPORTER = """
import sys
from functools import partial
from exporter.command import cli
cli.Exporter = partial(cli.Exporter, hold=1.0)
sys.exit(cli.main())
"""
CAUSES = {
    "InvalidParameter.ResourceContentBad": "source",
    "InvalidParameter.ResourceNotFound": "source",
    "InternalError": "service",
}
SCENARIO = replace(SCENARIOS["steady"], suspicious_output_share=0.05, skipped_share=0.03)
KEY = "the-key-of-the-callback"
SCRAPE_INTERVAL_SECONDS = 1.0
SAMPLE = re.compile(r'^(vod_transcode_\w+)\{account="day",?(.*?)\} (\S+)$', re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')
TOTAL = re.compile(r"_total$|_(seconds|ratio|bytes|bits_per_second)_(sum|count)$")

Observe = Callable[[str, tuple[str, ...], float], None]
Series = tuple[str, tuple[str, ...]]
"""A metric and its label values, sorted by the names of the labels as in the exposition, without the account."""


def main() -> int:
    args = arguments()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        simulator = stack.enter_context(
            Simulator(
                scenario=SCENARIO, seed=args.seed, speed=args.speed, tasks=args.tasks, history=0.0, quota=args.quota
            )
        )
        simulator.clock.freeze()  # no task ends before the state is created
        exporter = Exporter(folder, simulator.url, rate=args.rate)
        stack.callback(exporter.kill)
        watch = Watch(exporter)
        exporter.start()
        watch.until_answered()
        events = Events(simulator.world, url=exporter.callback, key=SecretText(KEY))
        events.start()
        simulator.clock.resume()
        for fault in FAULTS:
            simulator.faults.add(fault)
        started = time.monotonic()
        chance = random.Random(args.seed)
        live(simulator, exporter, watch, count=args.tasks, kill_every=args.kill_every, chance=chance)
        lived = time.monotonic() - started
        simulator.faults.clear()
        time.sleep(1.0)  # the last events are sent
        events.stop()
        truth = totals(simulator, events.accepted)
        settled = watch.until_equal(truth, patience=args.patience)
        report(truth, watch.totals)
        print(
            f"{len(simulator.world.tasks)} tasks, {sum(len(task.jobs) for task in simulator.world.tasks)} jobs in"
            f" {lived:.0f} s, then {settled:.0f} s; {watch.scrapes} scrapes, {watch.unanswered} of them unanswered,"
            f" {exporter.starts - 1} kills; calls {dict(simulator.quota.calls)}, throttled"
            f" {dict(simulator.quota.throttled)}"
        )
    wrong = sorted(series for series in truth.keys() | watch.totals.keys() if differs(truth, watch.totals, series))
    print(f"differences: {len(wrong)}; totals that went down: {len(watch.went_down)}")
    for series, before, after in watch.went_down[:20]:
        print(f"  {series}: {before} then {after}")
    return 1 if wrong or watch.went_down else 0


FAULTS = (
    Fault(kind="code", share=0.03, status=400, code="Throttling.User"),
    Fault(kind="code", share=0.02, status=500, code="InternalError"),
    Fault(kind="status", share=0.01, status=502),
    Fault(kind="delay", share=0.05, seconds=0.3),
    Fault(kind="reset", share=0.01),
    Fault(kind="truncated", share=0.01),
    Fault(kind="html", share=0.01),
)


class Exporter:
    """The exporter in its own process. It always starts with the same configuration and state file."""

    def __init__(self, folder: Path, url: str, *, rate: float) -> None:
        self.starts = 0
        self._config = folder / "config.yml"
        self._log = folder / "exporter.log"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        self.callback = f"http://{self._address}/callback/day"
        state = folder / "state.db"
        self._config.write_text(CONFIG.format(url=url, rate=rate, state=state, callback=self.callback, key=KEY))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def metrics(self) -> str:
        return f"http://{self._address}/metrics"

    def start(self) -> None:
        self.starts += 1
        command = [sys.executable, "-c", EXPORTER, f"--config.file={self._config}", "--log.level=error"]
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


class Watch:
    """Scrapes, and keeps the totals of the last answer and every total that decreased."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter
        self.totals: dict[Series, float] = {}
        self.went_down: list[tuple[Series, float, float | None]] = []
        self.scrapes = self.unanswered = 0

    def scrape(self) -> bool:
        """Returns False if the exporter did not answer, because it was killed or is starting."""
        self.scrapes += 1
        try:
            answer = requests.get(
                self._exporter.metrics, timeout=10, headers={"X-Prometheus-Scrape-Timeout-Seconds": "2"}
            )
        except requests.RequestException:
            self.unanswered += 1
            self._exporter.check()
            return False
        answer.raise_for_status()
        seen = {
            (name, tuple(value for _, value in LABEL.findall(labels))): float(value)
            for name, labels, value in SAMPLE.findall(answer.text)
            if TOTAL.search(name)
        }
        for series, before in self.totals.items():
            after = seen.get(series)
            if after is None or after < before:
                self.went_down.append((series, before, after))
        self.totals = seen
        return True

    def until_answered(self) -> None:
        while not self.scrape():
            time.sleep(0.1)

    def until_equal(self, truth: Mapping[Series, float], *, patience: float) -> float:
        """Wait until the totals equal the truth, at most `patience` seconds. Returns the seconds that this took."""
        started = time.monotonic()
        while time.monotonic() < started + patience:
            if self.scrape() and not any(
                differs(truth, self.totals, series) for series in truth.keys() | self.totals.keys()
            ):
                break
            time.sleep(SCRAPE_INTERVAL_SECONDS)
        return time.monotonic() - started


def live(
    simulator: Simulator, exporter: Exporter, watch: Watch, *, count: int, kill_every: float, chance: random.Random
) -> None:
    """Scrape until the last of `count` tasks has ended, and kill the exporter at random moments meanwhile."""
    end_of_life = time.monotonic() + chance.expovariate(1 / kill_every)
    next_scrape = time.monotonic()
    while not over(simulator, count):
        now = time.monotonic()
        if now >= end_of_life:
            exporter.kill()
            exporter.start()
            end_of_life = now + chance.expovariate(1 / kill_every)
        if now >= next_scrape:
            watch.scrape()
            next_scrape = now + SCRAPE_INTERVAL_SECONDS
            progress(simulator, exporter, watch)
        time.sleep(max(0.0, min(end_of_life, next_scrape) - time.monotonic()))


def over(simulator: Simulator, count: int) -> bool:
    """Whether all `count` tasks have arrived and ended."""
    with simulator.world.lock:
        now = simulator.world.advance()
        return len(simulator.world.tasks) >= count and all(task.ends <= now for task in simulator.world.tasks)


def totals(simulator: Simulator, reported: Collection[str]) -> dict[Series, float]:
    """The totals that follow from the simulator's truth. `reported` are the jobs whose event the exporter accepted."""
    found: dict[Series, float] = defaultdict(float)

    def observe(name: str, labels: tuple[str, ...], value: float) -> None:
        found[f"{name}_sum", labels] += value
        found[f"{name}_count", labels] += 1

    truth = requests.get(f"{simulator.url}/simulator/truth", timeout=60).json()
    for specification, seconds in truth["billed"].items():
        found["vod_transcode_billed_seconds_total", (specification,)] = seconds
    for task in truth["tasks"]:
        count_task(found, observe, task)
        for job in task["jobs"]:
            count_job(found, observe, job)
    second = simulator.world.unix_seconds
    for planned in simulator.world.tasks:
        for one in (one for one in planned.jobs if one.id in reported):
            labels = (one.template.definition,)
            observe("vod_transcode_job_queue_seconds", labels, second(one.starts) - second(one.created))
            observe("vod_transcode_job_processing_seconds", labels, second(one.ends) - second(one.starts))
    return dict(found)


def count_task(found: dict[Series, float], observe: Observe, task: Any) -> None:
    jobs, status = task["jobs"], task["status"]
    found["vod_transcode_tasks_finished_total", (status, task["trigger"] or "unknown")] += 1
    priority = max((int(job["priority"]) for job in jobs), default=6)
    name = "default" if priority == 6 else "low" if priority < 6 else "high"
    observe("vod_transcode_task_duration_seconds", (name,), task["completed"] - task["created"])
    if status == "CompleteAllFail":
        causes = {CAUSES[job["error_code"]] for job in jobs if job["error_code"]}
        cause = "source" if not jobs or "source" in causes else "service" if causes else "unknown"
        found["vod_transcode_task_failures_total", (cause,)] += 1
    made = [job for job in jobs if job["output"]]
    if made:
        first = min(job["completed"] for job in made)
        observe("vod_transcode_task_first_output_seconds", (), first - task["created"])
    longest = max((job["output"]["duration"] for job in made), default=0)
    for job in made:
        if job["output"]["duration"] < 0.8 * longest:
            found["vod_transcode_suspicious_outputs_total", (job["definition"], "truncated")] += 1


def count_job(found: dict[Series, float], observe: Observe, job: Any) -> None:
    definition, status, seconds = job["definition"], job["status"], job["completed"] - job["created"]
    known = status != "TranscodeSkipped"
    found["vod_transcode_jobs_finished_total", (definition, status if known else "unknown")] += 1
    if known:
        observe("vod_transcode_job_duration_seconds", (definition, status), seconds)
    if status == "TranscodeFail":
        code = job["error_code"]
        found["vod_transcode_job_failures_total", (CAUSES[code], definition, code)] += 1
    if output := job["output"]:
        observe("vod_transcode_output_bitrate_bits_per_second", (definition,), output["bitrate"])
        observe("vod_transcode_output_size_bytes", (definition,), output["size"])
        found["vod_transcode_output_duration_seconds_total", (definition,)] += output["duration"]
        observe("vod_transcode_job_realtime_ratio", (definition,), seconds / output["duration"])
        if output["size"] == 0:
            found["vod_transcode_suspicious_outputs_total", (definition, "no_bytes")] += 1
        elif not 0.5 <= output["bitrate"] * output["duration"] / (output["size"] * 8) <= 2:
            found["vod_transcode_suspicious_outputs_total", (definition, "bitrate")] += 1


def differs(truth: Mapping[Series, float], shown: Mapping[Series, float], series: Series) -> bool:
    """Counts and sums of whole numbers are equal. Sums of ratios depend on the order of the jobs by rounding."""
    true, seen = truth.get(series, 0.0), shown.get(series, 0.0)
    return not math.isclose(true, seen, rel_tol=1e-9)


def progress(simulator: Simulator, exporter: Exporter, watch: Watch) -> None:
    counted = sum(value for (name, _), value in watch.totals.items() if name == "vod_transcode_jobs_finished_total")
    line = f"{len(simulator.world.tasks)} tasks arrived, {counted:.0f} jobs counted, {exporter.starts - 1} kills"
    print(line, end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)


def report(truth: Mapping[Series, float], shown: Mapping[Series, float]) -> None:
    """The truth beside what is shown, summed over labels, and each series that differs."""
    print(f"{'':<62}{'truth':>18}{'exposed':>18}{'difference':>12}")
    for name in sorted({name for name, _ in truth.keys() | shown.keys()}):
        sums = [sum(value for (other, _), value in side.items() if other == name) for side in (truth, shown)]
        print(f"{name:<62}{sums[0]:>18,.0f}{sums[1]:>18,.0f}{sums[1] - sums[0]:>12,.0f}")
    for series in sorted(truth.keys() | shown.keys()):
        if differs(truth, shown, series):
            print(f"  {series}: truth {truth.get(series, 0.0):,.0f}, exposed {shown.get(series, 0.0):,.0f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=6000, help="how many tasks arrive; a task has four jobs (6000)")
    parser.add_argument("--speed", type=float, default=125.0, help="how many times faster than real time (125)")
    parser.add_argument("--rate", type=float, default=100.0, help="calls a second of each operation (100)")
    parser.add_argument("--quota", type=float, default=120.0, help="calls a second that the simulator allows (120)")
    parser.add_argument("--kill-every", type=float, default=8.0, help="seconds between kills, on average (8)")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds to wait for the last totals (300)")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
