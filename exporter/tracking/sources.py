"""Where tracked tasks and videos come from.

Static ids and files are sources that say at each refresh what they name. Discovery (`discovery.py`) finds videos,
registration and events bring tasks and videos the moment somebody tells of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from exporter.tracking.ledger import Ledger
from exporter.tracking.videos import Videos

# The values of the label `source` of vod_exporter_tracked_tasks.
TASKS, VIDEOS, FILES, DISCOVERY, API, EVENTS = SOURCES = ("tasks", "videos", "files", "discovery", "api", "events")


class Source(Protocol):
    """Says what is to be tracked."""

    def name(self, ledger: Ledger, videos: Videos) -> None:
        """A refresh begins: name to the ledger the tasks, and to the videos those videos, that are to be tracked."""


class Static:
    """The tasks and videos that the configuration names."""

    def __init__(self, *, tasks: Iterable[str] = (), videos: Iterable[str] = ()) -> None:
        self._tasks = tuple(tasks)
        self._videos = tuple(videos)

    def name(self, ledger: Ledger, videos: Videos) -> None:
        ledger.name("configuration", self._tasks, source=TASKS)
        videos.name("configuration", self._videos, source=VIDEOS)
