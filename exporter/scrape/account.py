"""One account: what is asked of it when, what is told of it, what is known of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from exporter.deadline import Deadline
from exporter.errors import VodError
from exporter.model import ACTIONS, Task
from exporter.scrape.calls import Calls, Recorder
from exporter.scrape.health import Health
from exporter.scrape.refresh import Refresh
from exporter.snapshot import AccountSnapshot
from exporter.tracking.discovery import Discovery
from exporter.tracking.ledger import Ledger
from exporter.tracking.sources import API, EVENTS, VIDEOS, Source
from exporter.tracking.videos import Videos
from exporter.vod.client import Client, Observer
from exporter.vod.limiter import Limiter

_LOOKS_AT_ONCE = 32  # where the store hangs, further ones see what was known before


class Connect(Protocol):
    """Makes the client of the account, as `Client` does with the rest of its arguments."""

    def __call__(self, *, limiter: Limiter, observer: Observer) -> Client: ...


class Account:
    """Safe to use from several threads. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        *,
        name: str,
        region: str,
        endpoint: str,
        connect: Connect,
        requests_per_second: float,
        ledger: Ledger,
        videos: Videos,
        recorder: Recorder,
        sources: Sequence[Source] = (),
        discovery: Discovery | None = None,
        concurrency: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._region = region
        self._endpoint = endpoint
        self._recorder = recorder
        self._health = Health(name)
        self._limiter = Limiter(requests_per_second)
        self._client = connect(limiter=self._limiter, observer=self._called)
        self._ledger = ledger
        self._videos = videos
        self._sources = sources
        self._seen: AccountSnapshot | None = None
        self._looks = threading.BoundedSemaphore(_LOOKS_AT_ONCE)
        self._refresh = Refresh(
            name,
            calls=Calls(
                account=name,
                client=self._client,
                ledger=ledger,
                videos=videos,
                recorder=recorder,
                discovery=discovery,
                clock=clock,
            ),
            ledger=ledger,
            videos=videos,
            limiter=self._limiter,
            health=self._health,
            prepare=self._name_tasks,
            discovery=discovery,
            concurrency=concurrency,
        )

    def close(self) -> None:
        """End a refresh that is under way, and keep what it has found out."""
        self._client.close()
        self._refresh.close()
        self._ledger.close()

    def refresh(self) -> threading.Event:
        """Begin to ask about all that is due. The event is set when that is done; failures are noted, not raised."""
        return self._refresh.begin()

    def late(self, began: float) -> None:
        """Somebody who has waited since then (monotonic) is answered before the refresh is done."""
        since, now = self._client.waiting_since, time.monotonic()
        waiting = now - since if since is not None else 0.0
        self._health.judge(waiting=waiting if waiting > (now - began) / 2 else 0.0)

    def look(self) -> Callable[[Deadline], AccountSnapshot]:
        """Begin to look at what is known: to be called with a deadline for the result.

        What is shown is in the store before; where the store takes longer, the result is what was known before that.
        """
        found: list[AccountSnapshot] = []
        over = threading.Event()

        def find() -> None:
            try:
                found.append(self.snapshot())
            finally:
                self._looks.release()
                over.set()

        def result(deadline: Deadline) -> AccountSnapshot:
            if over.wait(deadline.remaining()) and found:
                self._seen = found[0]
                return found[0]
            last = self._seen or AccountSnapshot(self.name, self._region, self._endpoint)
            return replace(last, view=replace(last.view, durable=False))

        if self._looks.acquire(blocking=False):
            threading.Thread(target=find, name=f"look {self.name}", daemon=True).start()
        else:
            over.set()
        return result

    def snapshot(self) -> AccountSnapshot:
        """What is known now; waits for the store."""
        health = self._health.state
        return AccountSnapshot(
            name=self.name,
            region=self._region,
            endpoint=self._endpoint,
            up=health.up,
            last_success=health.last_success,
            last_error=health.last_error,
            last_error_at=health.last_error_at,
            refresh_duration=self._refresh.duration,
            pending_calls=self._refresh.pending,
            budget={action: self._limiter.rate(action) for action in ACTIONS},
            view=self._ledger.view(),
        )

    def register(self, task_ids: Sequence[str]) -> dict[str, bool]:
        """See `Ledger.register`."""
        registered = self._ledger.register(task_ids, source=API)
        self._refresh.outdate()
        return registered

    def delete(self, task_id: str) -> bool:
        """See `Ledger.delete`."""
        return self._ledger.delete(task_id)

    def tracked(self) -> list[tuple[str, str, Task | None]]:
        """See `Ledger.tasks`."""
        return self._ledger.tasks()

    def event(self, *, job_id: str, video_id: str, processing: float | None) -> None:
        """An event told that a job has ended: its job, or the tasks of its video, are asked about first."""
        known = self._ledger.observe_event(job_id, processing=processing)
        if not known and video_id:
            self._videos.prioritize(video_id, source=EVENTS)
        self._refresh.outdate()

    def _called(self, *, action: str, seconds: float | None, error: VodError | None) -> None:
        self._recorder.called(action=action, seconds=seconds, error=error)
        self._health.called(action=action, error=error, seconds=seconds or 0.0)

    def _name_tasks(self) -> None:
        for source in self._sources:
            source.name(self._ledger, self._videos)
        for video_id in self._videos.left():
            self._ledger.name(f"video {video_id}", (), source=VIDEOS)
