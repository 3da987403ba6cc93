"""The dashboard Overview: who must act, firing alerts, the queue, failures, and the objective."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from exporter.metrics.catalog import JOB_DURATION, JOBS, JOBS_FINISHED, OLDEST_UNFINISHED
from grafana import accounts, alerts, delivery, failures, objective
from grafana.frame import account, dashboard, definition, opening, section
from grafana.objective import FAILURE_STEPS, NOT_CANCELLED, failed_share
from grafana.palette import PERCENTILES, STATUS_COLORS
from grafana.panels import Panel, Query, Text, big, from_limits, lines, nothing, or_no_data
from grafana.queries import RANGE, UNFINISHED, drawn, grown, now, one, quantile, rate, series, total

_SUBMITTED_OR_TRANSCODING = 'status=~"Submitted|Transcoding"'
_OTHER_UNFINISHED = (UNFINISHED, 'status!~"Submitted|Transcoding"')


def make() -> Dashboard:
    made = dashboard(
        "vod-overview",
        "VOD transcoding / Overview",
        "Is transcoding healthy, who must act, and does it meet its objective?",
        since="now-24h",
        refresh="1m",
        variables=(account(), definition(), objective.variable()),
    )
    opening(made, _unfinished(), _oldest_job(), _share_failed(), _p95_duration(), accounts.panel(), alerts.panel())
    section(made, "Queue and throughput", _queue(), _ended(), _durations(), *delivery.panels())
    section(made, "Failures", *failures.panels())
    section(made, "Objective", *objective.panels())
    return made


def _unfinished() -> Panel:
    return big(
        Text(
            title="Unfinished jobs",
            description="How many jobs are waiting or transcoding now? The panel Queue shows whether they become more.",
            unit="none",
            decimals=0,
        ),
        Query(now(total(one(JOBS, UNFINISHED)))),
    )


def _oldest_job() -> Panel:
    return big(
        Text(
            title="Oldest unfinished",
            description="How long ago was the oldest unfinished job created? Yellow from one hour, red from two hours, "
            "when VodOldestJobTooOld fires.",
            unit="s",
            values=nothing("None unfinished"),
            steps=from_limits(yellow=3600, red=7200),
            decimals=1,
        ),
        Query(now(f"time() - min({series(OLDEST_UNFINISHED)})")),
    )


def _share_failed() -> Panel:
    return big(
        Text(
            title="Failed share",
            description="Which share of the jobs that ended in the selected time range failed? Yellow from 2 %, red "
            "from the 10 % at which VodJobFailureRatioHigh fires. " + NOT_CANCELLED,
            unit="percentunit",
            values=nothing("None ended"),
            steps=FAILURE_STEPS,
            decimals=1,
        ),
        Query(now(failed_share(RANGE))),
    )


def _p95_duration() -> Panel:
    return big(
        Text(
            title="Finished in, p95",
            description="How soon were 95 of 100 jobs done that finished in the selected time range, from creation to "
            "completion? Yellow from half an hour, red from two hours.",
            unit="s",
            values=nothing("None finished"),
            steps=from_limits(yellow=1800, red=7200),
            decimals=1,
        ),
        Query(now(quantile(0.95, JOB_DURATION, window=RANGE))),
    )


def _queue() -> Panel:
    rest = drawn(total(one(JOBS, *_OTHER_UNFINISHED), "status"), JOBS, *_OTHER_UNFINISHED, by="status")
    return lines(
        Text(
            title="Queue",
            description="Does the queue grow? Unfinished jobs by status. If many jobs are submitted and few are "
            "transcoding, VOD has a queue. Undocumented statuses count as unknown, and are drawn if there are any.",
            unit="none",
        ),
        Query(total(one(JOBS, _SUBMITTED_OR_TRANSCODING), "status"), "{{status}}"),
        Query(rest, "{{status}}"),
        colors=STATUS_COLORS,
        stacked=True,
        width=8,
    )


def _ended() -> Panel:
    ended = f"60 * {total(rate(JOBS_FINISHED), 'status')}"
    return lines(
        Text(
            title="Jobs that end",
            description="How many jobs end per minute? By final status, at the time when the exporter saw it. A status "
            "with which no job ended is not drawn.",
            unit="suffix:jobs/min",
        ),
        Query(f"{ended} and on (status) {total(grown(JOBS_FINISHED), 'status')} > 0", "{{status}}"),
        colors=STATUS_COLORS,
        stacked=True,
        width=8,
        step="1m",
    )


def _durations() -> Panel:
    return lines(
        Text(
            title="Time to finish",
            description="How long do jobs take from creation to completion? Half of the jobs are faster than p50, 95 "
            "of 100 are faster than p95. The points are single jobs and link to them. Gaps mean that no job finished.",
            unit="dthms",
            no_value=or_no_data("None finished"),
        ),
        Query(quantile(0.95, JOB_DURATION), "p95", exemplars=True),
        Query(quantile(0.5, JOB_DURATION), "p50"),
        colors=PERCENTILES,
        width=8,
        step="5m",
    )
