"""Outputs that are unlikely to be right, as for the alert VodOutputSuspicious."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.model import Job
from exporter.snapshot import LedgerView, Total
from exporter.web.recent import observed
from exporter.web.thresholds import BITRATE_FACTOR, BITRATE_MINIMUM


def usual_bitrates(view: LedgerView) -> dict[str, float]:
    """The mean bitrate of the last day in bits per second, by definition; only of those with 20 outputs or more."""
    found = ((labels[0], view) for labels, view in observed(view, view.day_ago, Total.OUTPUT_BITRATE))
    return {definition: day.sum / sum(day.counts) for definition, day in found if sum(day.counts) >= BITRATE_MINIMUM}


def is_unlikely(job: Job, usual: Mapping[str, float]) -> bool:
    """Whether the job succeeded with an empty output, or with a bitrate far from the usual one of its definition."""
    if job.status != "TranscodeSuccess" or job.output is None:
        return False
    bitrate, mean = job.output.bitrate, usual.get(job.definition)
    if job.output.size == 0:
        return True
    return bitrate is not None and mean is not None and not mean / BITRATE_FACTOR <= bitrate <= mean * BITRATE_FACTOR
