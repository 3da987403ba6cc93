"""The simulator sends the events of VOD: signed, for each job and task that ends, with three tries."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from exporter.keys import SecretText
from exporter.simulator.events import Events
from exporter.simulator.server import Simulator
from exporter.vod.events import authentic, parse
from tests.conftest import WorldTime, wait_until

KEY = SecretText("key")


@contextmanager
def receiver(*statuses: int) -> Iterator[tuple[str, list[tuple[dict[str, str], Any]]]]:
    """A callback that answers with these statuses, then with 200. Yields its URL and the events that it got."""
    got: list[tuple[dict[str, str], Any]] = []
    answers = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((dict(self.headers), json.loads(body)))
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/callback/prod", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_each_end_is_sent_signed_as_the_exporter_reads_it() -> None:
    # What ends before `start` is not sent, so the world stands still until then.
    world_time = WorldTime()
    with receiver(503) as (url, got), Simulator(tasks=3, speed=2000.0, history=0.0, monotonic=world_time) as simulator:
        events = Events(simulator.world, url=url, key=KEY, patience=30.0)
        events.start()
        world_time.now = None
        wait_until(lambda: len(simulator.world.tasks) == 3 and events.accepted == job_ids(simulator), seconds=100)
        wait_until(lambda: len([body for _, body in got if body["EventType"] == "TranscodeComplete"]) >= 3)
        events.stop()
        world = simulator.world
        jobs = {job.id: job for task in world.tasks for job in task.jobs}
        starts = {name: float(world.unix_seconds(job.starts)) for name, job in jobs.items()}

    parsed = [parse(body) for _, body in got]
    for headers, _ in got:
        given, at = headers["X-VOD-SIGNATURE"], headers["X-VOD-TIMESTAMP"]
        assert authentic(given, url=url, timestamp=at, key=KEY)
    assert all(event.malformed == () for event in parsed)
    assert {job.id: job.started for event in parsed for job in event.jobs} == starts
    streams = [event for event in parsed if event.type == "StreamTranscodeComplete"]
    assert len(got) == len(jobs) + 3 + 1  # the refused one came again
    assert {event.video_id for event in streams} <= {task.video.id for task in world.tasks}


def job_ids(simulator: Simulator) -> set[str]:
    simulator.world.advance()
    return {job.id for task in simulator.world.tasks for job in task.jobs}
