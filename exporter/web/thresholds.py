"""When the status page calls something a problem: the thresholds of the alerts in `deploy/prometheus`.

A test compares the two. The alerts look at a time range as well, so they fire later than the page shows a problem.
"""

from __future__ import annotations

OLD_SECONDS = 7200.0
"""VodOldestJobTooOld: the age of an unfinished job."""
WAITING_SECONDS = 60.0
"""VodBudgetExhausted: the time that the waiting calls of an operation need."""
FAILURE_RATIO = 0.1
"""VodJobFailureRatioHigh: the share of failed jobs among the jobs of a definition that ended within an hour.

VodTaskFailureRatioHigh: the share of tasks without a successful job among all tasks that ended within an hour.
"""
FAILURE_RATIO_MINIMUM = 20
"""Both alerts: fewer jobs or tasks are not judged."""
NOTHING_SECONDS = 3600.0
"""VodNothingFinished: the time in which no job has finished."""
NOTHING_MINIMUM = 10
"""VodNothingFinished: fewer unfinished jobs are not judged."""
UNASKED_SECONDS = 300.0
"""The time without a scrape after which an account is not monitored. VodDataStale fires after 5 minutes too."""
REFUSED_SECONDS = 600.0
"""For how long the page shows refused events and tokens. No alert is about them."""
STUCK_SECONDS = 1800.0
"""VodJobStuck: the time without progress of a job that has started."""
SLOW_SECONDS = 900.0
"""VodJobSlow: younger jobs are not judged."""
SLOW_FACTOR = 3.0
"""VodJobSlow: an age beyond this multiple of the usual duration."""
SLOW_MINIMUM = 20
"""VodJobSlow: with fewer successful jobs, the usual duration is not known."""
BITRATE_FACTOR = 5.0
"""VodOutputSuspicious: a bitrate beyond this multiple, or below this fraction, of the usual one."""
BITRATE_MINIMUM = 20
"""VodOutputSuspicious: with fewer outputs, the usual bitrate is not known."""
