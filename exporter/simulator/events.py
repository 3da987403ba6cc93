"""Sends event notifications to a callback URL, as VOD does when jobs and tasks end.

https://www.alibabacloud.com/help/en/vod/developer-reference/overview-of-event-notification: a POST of JSON that must be
answered with 200 within 5 seconds; two more tries follow, a second apart.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from exporter.keys import SecretText
from exporter.simulator.plan import ERRORS, Job, Task
from exporter.simulator.shapes import Json, figures_json, timestamp
from exporter.simulator.state import job_state, task_state
from exporter.simulator.world import World
from exporter.vod import events

_PAUSE_SECONDS = 0.1
_ANSWER_SECONDS = 5.0
_TRIES = 3
_AT_ONCE = 8


class Events:
    """Sends the events of jobs and tasks that end after `start`.

    `accepted` has the ids of the jobs whose event got 200.

    `url` and `key` are those of the callback as the exporter's configuration has them. VOD makes 3 `tries`, and waits
    5 seconds for an answer: `patience`.
    """

    def __init__(
        self, world: World, *, url: str, key: SecretText, tries: int = _TRIES, patience: float = _ANSWER_SECONDS
    ) -> None:
        self.accepted: set[str] = set()
        self._world = world
        self._url = url
        self._key = key
        self._tries = tries
        self._patience = patience
        self._known = 0  # tasks of the world whose ends are in `_ends`
        self._ends: list[tuple[float, int, Task, Job | None]] = []
        self._numbers = itertools.count()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Send events from now on, in a thread."""
        self._since = self._world.advance()
        self._thread.start()

    def stop(self) -> None:
        """Send no more events. Waits for those under way."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as senders:
            while not self._stopped.wait(_PAUSE_SECONDS):
                for task, job in self._ended():
                    senders.submit(self._send, task, job)

    def _ended(self) -> list[tuple[Task, Job | None]]:
        """What has ended since the last call: each job, then its task."""
        with self._world.lock:
            now, tasks = self._world.advance(), self._world.tasks[self._known :]
        self._known += len(tasks)
        for task in tasks:
            for job in (*task.jobs, None):
                ends = task.ends if job is None else job.ends
                if ends > self._since:
                    heapq.heappush(self._ends, (ends, next(self._numbers), task, job))
        found = []
        while self._ends and self._ends[0][0] <= now:
            found.append(heapq.heappop(self._ends)[2:])
        return found

    def _send(self, task: Task, job: Job | None) -> None:
        what = self._task_body(task) if job is None else {"EventType": events.STREAM_COMPLETE, **self._job_body(job)}
        body: Json = {"EventTime": timestamp(int(time.time())), "VideoId": task.video.id, **what}
        for _ in range(self._tries):
            if self._accepted(body):
                self.accepted.update(one.id for one in (task.jobs if job is None else (job,)))
                return
            self._stopped.wait(1.0)

    def _accepted(self, body: Json) -> bool:
        now = str(int(time.time()))
        headers = {
            "X-VOD-TIMESTAMP": now,
            "X-VOD-SIGNATURE": events.signature(url=self._url, timestamp=now, key=self._key),
        }
        try:
            return requests.post(self._url, json=body, headers=headers, timeout=self._patience).status_code == 200
        except requests.RequestException:
            return False

    def _task_body(self, task: Task) -> Json:
        failed = task_state(task, task.ends).status == "CompleteAllFail"
        streams = [self._job_body(job) for job in task.jobs]
        return {"EventType": events.COMPLETE, "Status": "fail" if failed else "success", "StreamInfos": streams}

    def _job_body(self, job: Job) -> Json:
        """A stream. Events append a suffix to the definition."""
        failed = job_state(job, job.ends).status == "TranscodeFail"
        shape: Json = {
            "JobId": job.id,
            "Status": "fail" if failed else "success",
            "Definition": f"{job.template.definition}-{job.template.format.upper()}",
            "StartTime": timestamp(self._world.unix_seconds(job.starts)),
            "FinishTime": timestamp(self._world.unix_seconds(job.ends)),
        }
        if failed:
            return shape | {"ErrorCode": job.error_code, "ErrorMessage": ERRORS[job.error_code]}
        figures = figures_json(job)
        return shape | {"Bitrate": figures["Bitrate"], "Size": job.output.size, "Duration": float(job.output.duration)}
