"""What an account showed an hour and a day ago. It is kept in memory, so it begins at the start of the exporter."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from exporter.model import JOB_FINAL
from exporter.snapshot import Earlier, LedgerView, Total, TotalsView

HOUR, DAY = 3600.0, 86_400.0
POINTS = 60  # so a window is at most a sixtieth longer than it says

_COUNTERS = (Total.JOBS_FINISHED, Total.JOB_FAILURES, Total.TASKS_FINISHED)
_HISTOGRAMS = (Total.JOB_DURATION, Total.OUTPUT_BITRATE)


class Past:
    """Remembers at most `POINTS` views for each of the two windows, and of them only what the status page compares."""

    def __init__(self) -> None:
        self._hour = _Window(HOUR)
        self._day = _Window(DAY)

    def compared(self, view: LedgerView) -> LedgerView:
        """The view with what was shown an hour and a day before it."""
        return replace(view, hour_ago=self._hour.start(view), day_ago=self._day.start(view))


class _Window:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._points: deque[Earlier] = deque()

    def start(self, view: LedgerView) -> Earlier:
        """The newest point that is at least a window old, or else the oldest point.

        The view becomes a point itself, at most `POINTS` times in a window.
        """
        now, points = view.taken, self._points
        if points and now < points[-1].at:  # the clock was set back
            points.clear()
        if not points or now - points[-1].at >= self._seconds / POINTS:
            points.append(_point(view))
        while len(points) > 1 and points[1].at <= now - self._seconds:
            points.popleft()
        fewest = min(_unfinished(view), *(point.fewest_unfinished for point in points))
        return replace(points[0], fewest_unfinished=fewest)


def _point(view: LedgerView) -> Earlier:
    counters = {key: value for key, value in view.totals.counters.items() if value and key[0] in _COUNTERS}
    histograms = {
        key: found for key, found in view.totals.histograms.items() if key[0] in _HISTOGRAMS and any(found.counts)
    }
    return Earlier(view.taken, TotalsView(counters, histograms), _unfinished(view))


def _unfinished(view: LedgerView) -> int:
    return sum(count for (_, status), count in view.job_counts.items() if status not in JOB_FINAL)
