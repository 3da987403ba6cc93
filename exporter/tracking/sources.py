"""The sources of tracked tasks and videos.

The configuration and files name tasks and videos at the start of each refresh; they implement `Source`. Discovery
(`discovery.py`) finds videos when VOD is asked. The registration API and events add tasks and videos when they arrive.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from exporter.model import TASKS, VIDEOS
from exporter.tracking.ledger import Ledger
from exporter.tracking.videos import Videos


class Source(Protocol):
    """Names tasks and videos to track."""

    def name(self, ledger: Ledger, videos: Videos) -> None:
        """Name the tasks to the ledger and the videos to `videos`. Called at the start of each refresh."""


class Static:
    """The tasks and videos that the configuration names."""

    def __init__(self, *, tasks: Iterable[str] = (), videos: Iterable[str] = ()) -> None:
        self._tasks = tuple(tasks)
        self._videos = tuple(videos)

    def name(self, ledger: Ledger, videos: Videos) -> None:
        """Name the same tasks and videos each time. See `Source.name`."""
        ledger.name("configuration", self._tasks, source=TASKS)
        videos.name("configuration", self._videos, source=VIDEOS)
