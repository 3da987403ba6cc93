"""Panels of the dashboard Jobs: tasks by status and priority, and those whose renditions are incomplete."""

from __future__ import annotations

from exporter.metrics.catalog import TASK_COMPLETED, TASK_DURATION, TASK_INFO, TASK_STATUS, TASKS_FINISHED
from grafana.palette import TASK_COLORS, distinct
from grafana.panels import Panel, Query, Text, bars, lines, or_no_data
from grafana.queries import counted, latest, newest, quantile, total
from grafana.tables import Column, rows

_TASK = "account, task_id"


def panels() -> tuple[Panel, ...]:
    return _by_status(), _by_priority(), _incomplete()


def _by_status() -> Panel:
    return bars(
        Text(
            title="Finished tasks",
            description="How do tasks end? Orange: CompletePartialSucc, some renditions are missing. Red: "
            "CompleteAllFail, none was made. Exact counts.",
            unit="none",
            no_value=or_no_data("No task finished"),
        ),
        Query(f"{total(counted(TASKS_FINISHED, window='$__interval'), 'status')} > 0", "{{status}}"),
        colors=TASK_COLORS,
        width=12,
        step="5m",
    )


def _by_priority() -> Panel:
    return lines(
        Text(
            title="Time to finish by priority, p95",
            description="Do tasks with a high priority finish sooner? From creation to completion of tasks: low is a "
            "priority below 6, default is 6, high is above 6.",
            unit="suffix:min",
            no_value=or_no_data("No task finished"),
        ),
        Query(f"({quantile(0.95, TASK_DURATION, 'priority')}) / 60", "{{priority}}"),
        colors=distinct(("default", "low", "high")),
        width=12,
        step="5m",
    )


def _incomplete() -> Panel:
    status = latest(TASK_STATUS, 'status=~"CompletePartialSucc|CompleteAllFail"')
    last = newest(f"{latest(TASK_COMPLETED)} and on ({_TASK}) {status}", 50)
    info = f"max by ({_TASK}, video_id) ({latest(TASK_INFO)})"
    return rows(
        Text(
            title="Tasks with missing renditions",
            description="Which videos lack renditions? The last 50 tasks that failed in part (CompletePartialSucc) "
            "or as a whole (CompleteAllFail) in the selected time range.",
            unit="none",
            no_value=or_no_data("No task failed"),
        ),
        {"task_id": "Task", "account": "Account", "video_id": "Video", "status": "Status"},
        Column(name="Finished", expression=f"1000 * {last}", unit="dateTimeFromNow"),
        details=f"{status} * on ({_TASK}) group_left (video_id) {info} and on ({_TASK}) {last}",
        sort="Finished",
        links={"Task": (("On the status page", "${status_page}/?q=${__value.raw}"),)},
        height=6,
    )
