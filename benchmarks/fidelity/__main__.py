"""Is what the exporter exposes true? In a simulated day with errors the exporter is killed repeatedly.

    python -m benchmarks.fidelity                      # ten minutes
    python -m benchmarks.fidelity --tasks 60 --speed 60 --kill-every 4

Prints what the exporter exposes beside the simulator's truth. The exit status is 1 if they differ, or if a total was
ever lower than in the scrape before.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.fidelity.day import Day
from benchmarks.fidelity.kept import Kept
from benchmarks.fidelity.process import Exporter
from benchmarks.fidelity.series import Outcome
from benchmarks.fidelity.watch import Watch


def main() -> int:
    args = arguments()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        day, kept = Day(args.tasks, seed=args.seed, speed=args.speed, quota=args.quota), Kept(seed=args.seed)
        for simulator in (day.simulator, kept.simulator):
            stack.enter_context(simulator)
        exporter = Exporter(folder, day=day.simulator.url, rate=args.rate, kept=kept.simulator.url, tasks=kept.named)
        stack.callback(exporter.kill)
        watch = Watch(exporter, patience=args.patience)
        exporter.start()
        while not exporter.ready():
            time.sleep(0.1)
        kept.live(exporter, watch)
        lived = day.live(exporter, watch, kill_every=args.kill_every, chance=random.Random(args.seed))
        settled = time.monotonic()
        for part in (day.totals, kept.state, kept.totals):
            watch.until_equal(part)
        print(
            f"{day.size} in {lived:.0f} s, then {time.monotonic() - settled:.0f} s; {watch.scrapes} scrapes,"
            f" {watch.unanswered} of them unanswered, {exporter.starts - 1} kills; calls"
            f" {dict(day.simulator.quota.calls)}, throttled {dict(day.simulator.quota.throttled)}"
        )
    return 1 if report(watch, args.report) else 0


def report(watch: Watch, path: Path | None) -> int:
    """Print the metrics of each part as compared last, and each series that differed. Returns how many are wrong."""
    print(f"{'':<58}{'truth':>24}{'exposed':>24}{'difference':>12}")
    for outcome in {outcome.part: outcome for outcome in watch.outcomes}.values():
        print(f"{outcome.part}:")
        for name in sorted({name for name, _ in outcome.truth.keys() | outcome.exposed.keys()}):
            print_row(name, outcome)
    for outcome in watch.outcomes:
        for of in outcome.differences:
            print(f"{outcome.part}: {of}: truth {outcome.truth.get(of, 0.0)}, exposed {outcome.exposed.get(of, 0.0)}")
    wrong = sum(len(outcome.differences) for outcome in watch.outcomes)
    print(f"differences: {wrong}; totals that went down: {len(watch.went_down)}")
    for series, before, after in watch.went_down[:20]:
        print(f"  {series}: {before} then {after}")
    if path is not None:
        rows = [[outcome.part, *of, value] for outcome in watch.outcomes for of, value in outcome.truth.items()]
        path.write_text(json.dumps(rows))
    return wrong + len(watch.went_down)


def print_row(name: str, outcome: Outcome) -> None:
    true, seen = (
        sum(value for of, value in side.items() if of[0] == name) for side in (outcome.truth, outcome.exposed)
    )
    print(f"  {name:<56}{true:>24,.3f}{seen:>24,.3f}{seen - true:>12,.3f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fidelity", description=__doc__)
    parser.add_argument("--tasks", type=int, default=6000, help="how many tasks arrive; a task has four jobs (6000)")
    parser.add_argument("--speed", type=float, default=125.0, help="how many times faster than real time (125)")
    parser.add_argument("--rate", type=float, default=100.0, help="calls a second of each operation (100)")
    parser.add_argument("--quota", type=float, default=120.0, help="calls a second that the simulator allows (120)")
    parser.add_argument("--kill-every", type=float, default=8.0, help="seconds between kills, on average (8)")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds to wait for each truth (300)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="write every series that was compared to this file, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
