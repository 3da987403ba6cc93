"""How fast a job runs: its estimated end, whether it stands still, and whether it takes longer than usual."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.model import Job
from exporter.snapshot import HistogramView, LedgerView, Total
from exporter.web.recent import observed
from exporter.web.thresholds import SLOW_FACTOR, SLOW_MINIMUM, SLOW_SECONDS, STUCK_SECONDS

_USUAL = 0.95  # the quantile of the durations that counts as usual


def remaining(job: Job, now: float) -> float | None:
    """The seconds that the job still needs at its average speed since its creation; None without progress."""
    if job.finished or job.created is None or not job.progress or not job.created < now:
        return None
    return (now - job.created) * (1 - job.progress) / job.progress


def per_minute(job: Job, now: float) -> float | None:
    """The average progress per minute since the creation of the job, as a ratio; None without progress."""
    if job.finished or job.created is None or not job.progress or not job.created < now:
        return None
    return job.progress / (now - job.created) * 60


def stands_still(job: Job, progress_since: float | None, now: float) -> bool:
    """Whether the progress of a started job has not changed for half an hour, as for the alert VodJobStuck."""
    started = bool(job.progress) and not job.finished
    return started and progress_since is not None and now - progress_since >= STUCK_SECONDS


def is_slow(job: Job, usual: Mapping[str, float], now: float) -> bool:
    """Whether the job takes far longer than `usual_durations`, as for the alert VodJobSlow."""
    if job.finished or job.created is None or now - job.created <= SLOW_SECONDS:
        return False
    return job.definition in usual and now - job.created > SLOW_FACTOR * usual[job.definition]


def usual_durations(view: LedgerView) -> dict[str, float]:
    """The 95th percentile of the durations of the jobs that succeeded within a day, in seconds, by definition.

    Definitions with fewer than 20 jobs have none.
    """
    day = observed(view, view.day_ago, Total.JOB_DURATION)
    return {
        definition: _quantile(histogram, _USUAL)
        for (definition, status), histogram in day
        if status == "TranscodeSuccess" and sum(histogram.counts) >= SLOW_MINIMUM
    }


def _quantile(histogram: HistogramView, quantile: float) -> float:
    """As `histogram_quantile` of Prometheus: linear within a bucket, and the last bound for the last bucket."""
    rank, lower = quantile * sum(histogram.counts), 0.0
    for bound, count in zip(histogram.bounds, histogram.counts, strict=False):
        if rank <= count:
            return lower + (bound - lower) * (rank / count if count else 0.0)
        rank, lower = rank - count, bound
    return histogram.bounds[-1]
