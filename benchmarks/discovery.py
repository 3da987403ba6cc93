"""The calls of discovery, with GetTranscodeSummary and without it.

    python benchmarks/discovery.py [VIDEOS [RUNNING]]

Exporter and simulator run on one clock that moves from scrape to scrape, so a day takes a minute. There is a scrape
every 30 s, which is also the interval of discovery. Without GetTranscodeSummary means that the service refuses it: the
exporter then lists the tasks of each video.

First a day with VIDEOS uploads at even distances; a fifth are in asynchronous mode, and a tenth are transcoded again by
hand after six hours. Then RUNNING videos, all in transcoding, without a new task: the calls in 30 s.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping

from exporter.model import ACTIONS
from exporter.simulator.faults import Fault
from tests.integration.lab import INTERVAL, Lab, lab

DAY_SECONDS = 86_400.0
AGAIN_SECONDS = 6 * 3600.0
MINUTES = 0.5  # as `duration_scale` of the simulator: a task takes one to four minutes
INTERVALS = 20  # of the second measurement
REFUSED = Fault(kind="code", action="GetTranscodeSummary", code="UnsupportedOperation")


def main(videos: int, running: int) -> None:
    logging.disable()  # of the refusals
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}")
    measure(f"calls per video and day, {videos} videos", lambda made: a_day(made, videos))
    measure(f"calls per {INTERVAL:.0f} s, {running} videos in transcoding", lambda made: quiet(made, running))


def measure(title: str, calls: Callable[[Lab], Mapping[str, float]]) -> None:
    print(f"\n{title}")
    print("".join(f"{head:>22}" for head in ("", "without summaries", "with summaries")))
    columns, started = [], time.process_time()
    for refused in (True, False):
        with lab() as made:
            if refused:
                made.simulator.faults.add(REFUSED)
            columns.append(calls(made))
    for action in (*ACTIONS, "all of discovery"):
        print(f"{action:>22}" + "".join(f"{column.get(action, 0):>22,.1f}" for column in columns))
    print(f"{time.process_time() - started:.0f} s of processor time")


def a_day(made: Lab, count: int) -> Mapping[str, float]:
    """The calls for each video. Each moment of the day has as many videos as in a day without end."""
    again = []
    for number in range(count):
        task = made.upload(age=10, asynchronous=number % 5 == 0, takes=MINUTES)
        again += [task.video] if number % 10 == 0 else []
        if again and made.now() - made.simulator.clock.wall(again[0].created) > AGAIN_SECONDS:
            made.submit(again.pop(0), takes=MINUTES)
        made.live(DAY_SECONDS / count, every=INTERVAL)
    return per(made.calls(), count)


def quiet(made: Lab, count: int) -> Mapping[str, float]:
    """The calls in an interval, after the tasks of each video were listed."""
    for number in range(count):
        made.upload(age=10.0 * number)
    made.scrape()
    made.live(2 * INTERVAL, every=INTERVAL)
    made.calls()
    made.live(INTERVALS * INTERVAL, every=INTERVAL)
    return per(made.calls(), INTERVALS)


def per(calls: Counter[str], count: int) -> Mapping[str, float]:
    found = {action: calls[action] / count for action in ACTIONS}
    return found | {"all of discovery": sum(found.values()) - found["GetTranscodeTask"]}


if __name__ == "__main__":
    main(*[int(number) for number in (sys.argv[1:] + ["240", "400"][len(sys.argv) - 1 :])])
