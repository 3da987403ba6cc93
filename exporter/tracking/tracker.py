"""Puts together the parts that track one account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.model import VIDEOS
from exporter.tracking.discovery import Discovery
from exporter.tracking.ledger import Ledger
from exporter.tracking.sources import Source
from exporter.tracking.videos import Videos


@dataclass(frozen=True, slots=True)
class Tracker:
    """The ledger of tasks and jobs, and the sources of its tasks. `discovery` is None if it is switched off."""

    ledger: Ledger
    videos: Videos
    sources: Sequence[Source] = ()
    discovery: Discovery | None = None

    def name_all(self) -> None:
        """Make every source name its tasks and videos. If no source names a video any more, unname its tasks."""
        for source in self.sources:
            source.name(self.ledger, self.videos)
        for video_id in self.videos.left():
            self.unname_tasks_of(video_id)

    def unname_tasks_of(self, video_id: str) -> None:
        """Stop naming the tasks of a video that no source names any more, or that does not exist."""
        self.ledger.name(f"video {video_id}", (), source=VIDEOS)
