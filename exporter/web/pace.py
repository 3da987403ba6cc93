"""How fast a job runs: its estimated end, whether it stands still, and whether it takes longer than usual."""

from __future__ import annotations

from exporter.model import Job
from exporter.snapshot import HistogramView, LedgerView, Total
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


def is_slow(job: Job, view: LedgerView, now: float) -> bool:
    """Whether the job takes far longer than usual for its definition, as for the alert VodJobSlow.

    The alert uses the durations of the last day. This function uses those of all counted jobs.
    """
    if job.finished or job.created is None or now - job.created <= SLOW_SECONDS:
        return False
    usual = usual_duration(view, job.definition)
    return usual is not None and now - job.created > SLOW_FACTOR * usual


def usual_duration(view: LedgerView, definition: str) -> float | None:
    """The 95th percentile of the durations of successful jobs, in seconds; None for fewer than 20 jobs."""
    histogram = view.totals.histograms.get((Total.JOB_DURATION, (definition, "TranscodeSuccess")))
    if histogram is None or sum(histogram.counts) < SLOW_MINIMUM:
        return None
    return _quantile(histogram, _USUAL)


def _quantile(histogram: HistogramView, quantile: float) -> float:
    """As `histogram_quantile` of Prometheus: linear within a bucket, and the last bound for the last bucket."""
    rank, lower = quantile * sum(histogram.counts), 0.0
    for bound, count in zip(histogram.bounds, histogram.counts, strict=False):
        if rank <= count:
            return lower + (bound - lower) * (rank / count if count else 0.0)
        rank, lower = rank - count, bound
    return histogram.bounds[-1]
