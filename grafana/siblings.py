"""The table of all jobs in the task of one job."""

from __future__ import annotations

from exporter.metrics.catalog import JOB_COMPLETED, JOB_CREATED, JOB_INFO, JOB_PROGRESS, JOB_STATUS, Metric
from grafana.frame import JOB_LINKS
from grafana.panels import Panel, Text
from grafana.queries import KEY, RANGE, TARGET, last_of_job, of_jobs
from grafana.tables import Column, rows

_ACCOUNTS = f'{TARGET}, account=~"$account"'


def panel() -> Panel:
    return rows(
        Text(
            title="Jobs of the same task",
            description="What became of the other renditions of the video? Statuses are the last of each job in the "
            "selected time range.",
            unit="none",
            no_value="No such job in this time range",
        ),
        {"job_id": "Job", "account": "Account", "definition": "Definition", "status": "Status"},
        Column(name="Progress", expression=of_jobs(_last(JOB_PROGRESS), _task()), unit="percentunit", decimals=0),
        Column(
            name="Took",
            expression=of_jobs(f"{_last(JOB_COMPLETED)} - {_last(JOB_CREATED)}", _task()),
            unit="s",
            decimals=1,
        ),
        details=of_jobs(_last_status(), _task()),
        sort="Definition",
        links={"Job": JOB_LINKS},
        height=6,
    )


def _task() -> str:
    """The jobs whose task is that of the chosen job."""
    task = f"max by (account, task_id) ({last_of_job(JOB_INFO)})"
    of = f"max by ({', '.join(KEY)}, task_id) (last_over_time({JOB_INFO.name}{{{_ACCOUNTS}}}[{RANGE}]))"
    return f"({of} and on (account, task_id) {task})"


def _last(metric: Metric) -> str:
    return f"max by ({', '.join(metric.labels)}) (last_over_time({metric.name}{{{_ACCOUNTS}}}[{RANGE}]))"


def _last_status() -> str:
    """The statuses whose last sample is the newest of their job."""
    by = ", ".join((*KEY, "status"))
    seen = f"max by ({by}) (max_over_time(timestamp({JOB_STATUS.name}{{{_ACCOUNTS}}})[{RANGE}:1m]))"
    return f"({seen} == on ({', '.join(KEY)}) group_left () max by ({', '.join(KEY)}) ({seen}))"
