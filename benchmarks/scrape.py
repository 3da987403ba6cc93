"""The cost of a scrape, compared with one call for each task, in sequence or with the official SDK in threads.

    python benchmarks/scrape.py [JOBS...]
    python benchmarks/scrape.py --over-time [JOBS [MILLISECONDS...]]

The service is the simulator in its own process. It answers after 30 ms, and its clock stands still. It has JOBS
unfinished jobs, two to four in a task. All three programs keep their connections and make at most eight calls at a
time. The exporter has no limit of calls per second here, so that its own work shows. The three take turns. A scrape of
the exporter is a refresh, the snapshot and the compressed answer; the others only call and read.

The last column is the age of the oldest value when each task or job was asked about once, at 10 calls per second.

With `--over-time` the exporter is scraped every 30 s at 10 calls per second. The service answers in 30 ms, 300 ms, 1 s
and 3 s. The result is the age of the oldest value, and the duration of the longest scrape.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import requests

from exporter import config, wiring
from exporter.deadline import Deadline
from exporter.keys import Key
from exporter.metrics.exposition import TEXT, Exposition
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.scraper import Scraper
from exporter.simulator.scenario import Scenario
from exporter.simulator.server import Simulator
from exporter.tracking.store import MemoryStore
from exporter.vod.client import Client
from exporter.vod.credentials import ConfiguredKeys
from exporter.vod.limiter import Limiter

SIZES = (100, 1_000, 5_000)
DELAY_SECONDS = 0.03
DELAYS_SECONDS = (0.03, 0.3, 1.0, 3.0)
AT_ONCE = 8
REPEATS = 3
CALLS_A_SECOND = 10.0  # the default of `requests_per_second`
INTERVAL_SECONDS = 30.0
SETTLING = 3  # scrapes before the measurement
TIMEOUT_SECONDS = 9.5
KEY = "simulator"


@dataclass(frozen=True)
class Service:
    """The address of the simulator, and the tasks to ask about."""

    url: str
    tasks: tuple[str, ...]
    jobs: int

    def calls(self) -> int:
        """How many calls it has answered."""
        return sum(requests.get(f"{self.url}/simulator/truth?summary=1", timeout=60).json()["calls"].values())


@dataclass(frozen=True)
class Cost:
    calls: int
    wall: float
    cpu: float


def main(sizes: Sequence[int]) -> None:
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}; {DELAY_SECONDS * 1000:.0f} ms a call")
    heads = ("jobs", "", "calls", "wall s", "CPU s", "wall, ratio", "CPU, ratio", "oldest s at 10/s")
    print("".join(f"{head:>18}" for head in heads))
    for size in sizes:
        with service(size, DELAY_SECONDS) as there:
            ways = {"exporter": exporter(there), "one by one": one_by_one(there), "SDK in threads": sdk(there)}
            costs: dict[str, list[Cost]] = {name: [] for name in ways}
            for _ in range(REPEATS):
                for name, way in ways.items():
                    costs[name].append(cost(there, way))
        ours = middle(costs["exporter"])
        for name, some in costs.items():
            its = middle(some)
            figures = (f"{its.calls:,}", f"{its.wall:.2f}", f"{its.cpu:.2f}")
            ratios = (f"{its.wall / ours.wall:.1f}", f"{its.cpu / ours.cpu:.1f}", f"{its.calls / CALLS_A_SECOND:.0f}")
            print("".join(f"{one:>18}" for one in (f"{there.jobs:,}", name, *figures, *ratios)), flush=True)


def over_time(size: int, delays: Sequence[float]) -> None:
    print(f"{size:,} jobs, {CALLS_A_SECOND:.0f} calls a second, a scrape every {INTERVAL_SECONDS:.0f} s")
    heads = ("ms a call", "oldest figure s", "longest scrape s", "deadline s", "up", "throttled")
    print("".join(f"{head:>18}" for head in heads))
    for delay in delays:
        with service(size, delay) as there, closing(scraper(there, CALLS_A_SECOND)) as made:
            seen = 0
            while seen < len(there.tasks):  # new tasks cost a call each, which is not measured here
                account = made.scrape(Deadline.after(TIMEOUT_SECONDS)).accounts[0]
                seen = sum(account.view.task_counts.values())
            ages, took, up = [], [], []
            for place in range(SETTLING + 6):
                started = time.monotonic()
                account = made.scrape(Deadline(started + TIMEOUT_SECONDS)).accounts[0]
                took.append(time.monotonic() - started)
                if place >= SETTLING:
                    ages.append(time.time() - (account.view.oldest_refresh or math.nan))
                up.append(account.up)
                time.sleep(max(0.0, started + INTERVAL_SECONDS - time.monotonic()))
            truth = requests.get(f"{there.url}/simulator/truth?summary=1", timeout=60).json()
        figures = (f"{delay * 1000:.0f}", f"{max(ages):.0f}", f"{max(took):.2f}", f"{TIMEOUT_SECONDS}")
        print("".join(f"{one:>18}" for one in (*figures, all(up), sum(truth["throttled"].values()))), flush=True)


def exporter(there: Service) -> Callable[[], None]:
    made = scraper(there, 1e6)
    telemetry, exposition = Telemetry(), Exposition()
    made.scrape(Deadline.after(600))  # asks about each task as a whole, as it does when they are new

    def scrape() -> None:
        snapshot = made.scrape(Deadline.after(600))
        exposition.render(snapshot, telemetry.whole, TEXT, gzip=True)

    return scrape


def scraper(there: Service, rate: float) -> Scraper:
    keys = config.AccountKeys(access_key_id=Key(KEY), access_key_secret=Key(KEY))
    account = config.Account.model_construct(
        name="prod",
        endpoint=there.url,
        credentials=keys,
        requests_per_second=rate,
        track=config.Track(tasks=there.tasks, discovery=config.Discovery(enabled=False)),
    )
    settings = config.Settings.model_construct(
        accounts=(account,), scrape=config.ScrapeSettings(min_interval=0.0, concurrency=AT_ONCE)
    )
    return wiring.scraper(settings, Telemetry(), MemoryStore())


def one_by_one(there: Service) -> Callable[[], None]:
    keys = ConfiguredKeys(access_key_id=Key(KEY), access_key_secret=Key(KEY))
    client = Client(endpoint=there.url, credentials=keys, limiter=Limiter(1e6), timeout=10.0, connections=1)

    def ask() -> None:
        for task_id in there.tasks:
            client.get_task(task_id, Deadline.after(60))

    return ask


def sdk(there: Service) -> Callable[[], None]:
    os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"  # otherwise it starts a thread that asks for a role
    from alibabacloud_tea_openapi.models import Config
    from alibabacloud_vod20170321 import models
    from alibabacloud_vod20170321.client import Client as Official

    endpoint = there.url.removeprefix("http://")
    client: Any = Official(Config(access_key_id=KEY, access_key_secret=KEY, endpoint=endpoint, protocol="http"))

    def get(task_id: str) -> None:
        client.get_transcode_task(models.GetTranscodeTaskRequest(transcode_task_id=task_id))

    def ask() -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(get, there.tasks))

    return ask


def cost(there: Service, way: Callable[[], None]) -> Cost:
    calls, wall, cpu = there.calls(), time.monotonic(), time.process_time()
    way()
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    return Cost(there.calls() - calls, wall, cpu)


def middle(costs: Sequence[Cost]) -> Cost:
    return Cost(costs[0].calls, median(cost.wall for cost in costs), median(cost.cpu for cost in costs))


@contextmanager
def service(jobs: int, delay: float) -> Iterator[Service]:
    """Runs the simulator in its own process."""
    command = [sys.executable, __file__, "--serve", str(jobs), str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        served = json.loads(process.stdout.readline())
        yield Service(served["url"], tuple(served["tasks"]), served["jobs"])
        process.communicate("")


def serve(jobs: int, delay: float) -> None:
    """Run the simulator until standard input ends. Prints its URL, its tasks and its number of jobs as JSON."""
    endless = Scenario(
        tasks_per_minute=jobs / 2,
        job_failure_share=0.0,
        task_failure_share=0.0,
        bad_source_share=0.0,
        retranscode_share=0.0,
        duration_scale=10_000.0,
        history=120.0,
    )
    with Simulator(scenario=endless, quota=math.inf, delay=delay) as simulator:
        simulator.clock.freeze()
        tasks, unfinished = [], 0
        for task in simulator.world.tasks:
            if unfinished < jobs:
                tasks.append(task.id)
                unfinished += len(task.jobs)
        print(json.dumps({"url": simulator.url, "tasks": tasks, "jobs": unfinished}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve", jobs, delay]:
            serve(int(jobs), float(delay))
        case ["--over-time", *rest]:
            delays = [float(delay) / 1e3 for delay in rest[1:]]
            over_time(int(rest[0]) if rest else max(SIZES), delays or DELAYS_SECONDS)
        case sizes:
            main([int(size) for size in sizes] or SIZES)
