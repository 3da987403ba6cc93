"""The counters and histograms of an account that follow from the simulator's truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from benchmarks.fidelity.series import Series, Values, series
from exporter.simulator.server import Simulator
from exporter.simulator.templates import GRADES

Json = Mapping[str, Any]

CAUSES = {
    "InvalidParameter.ResourceContentBad": "source",
    "InvalidParameter.ResourceNotFound": "source",
    "InternalError": "service",
}


def totals(account: str, truth: Json, simulator: Simulator, *, reported: Collection[str]) -> Values:
    """The totals of all tasks of the truth, which have all ended. `reported` are the jobs whose event was accepted."""
    found = _Totals(account)
    for task in truth["tasks"]:
        found.task(task)
        for job in task["jobs"]:
            found.job(job)
    second = simulator.world.unix_seconds
    jobs = {job["job_id"] for task in truth["tasks"] for job in task["jobs"]}
    for planned in (job for task in simulator.world.tasks for job in task.jobs if job.id in jobs & set(reported)):
        starts, definition = second(planned.starts), planned.template.definition
        found.observe("job_queue_seconds", starts - second(planned.created), definition=definition)
        found.observe("job_processing_seconds", second(planned.ends) - starts, definition=definition)
    return found.values


class _Totals:
    def __init__(self, account: str) -> None:
        self.values: dict[Series, float] = defaultdict(float)
        self._account = account

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.values[series(f"vod_transcode_{name}", account=self._account, **labels)] += amount

    def observe(self, name: str, value: float, **labels: str) -> None:
        self.count(f"{name}_sum", value, **labels)
        self.count(f"{name}_count", 1, **labels)

    def task(self, task: Json) -> None:
        jobs, status = task["jobs"], task["status"]
        self.count("tasks_finished_total", status=status, trigger=task["trigger"] or "unknown")
        priority = max((int(job["priority"]) for job in jobs), default=6)
        name = "default" if priority == 6 else "low" if priority < 6 else "high"
        self.observe("task_duration_seconds", task["completed"] - task["created"], priority=name)
        if status == "CompleteAllFail":
            causes = {CAUSES[job["error_code"]] for job in jobs if job["error_code"]}
            cause = "source" if not jobs or "source" in causes else "service" if causes else "unknown"
            self.count("task_failures_total", cause=cause)
        made = [job for job in jobs if job["output"]]
        if made:
            first = min(job["completed"] for job in made)
            self.observe("task_first_output_seconds", first - task["created"])
        longest = max((job["output"]["duration"] for job in made), default=0)
        for job in made:
            if job["output"]["duration"] < 0.8 * longest:
                self.count("suspicious_outputs_total", definition=job["definition"], reason="truncated")

    def job(self, job: Json) -> None:
        definition, status, seconds = job["definition"], job["status"], job["completed"] - job["created"]
        known = status != "TranscodeSkipped"
        self.count("jobs_finished_total", definition=definition, status=status if known else "unknown")
        if known:
            self.observe("job_duration_seconds", seconds, definition=definition, status=status)
        if status == "TranscodeFail":
            code = job["error_code"]
            self.count("job_failures_total", cause=CAUSES[code], definition=definition, error_code=code)
        if output := job["output"]:
            self._output(definition, seconds, output)

    def _output(self, definition: str, seconds: float, output: Json) -> None:
        duration = output["duration"]
        self.observe("output_bitrate_bits_per_second", output["bitrate"], definition=definition)
        self.observe("output_size_bytes", output["size"], definition=definition)
        self.count("output_duration_seconds_total", duration, definition=definition)
        self.count("billed_seconds_total", duration, specification=GRADES[definition].billed)
        self.observe("job_realtime_ratio", seconds / duration, definition=definition)
        if output["size"] == 0:
            self.count("suspicious_outputs_total", definition=definition, reason="no_bytes")
        elif not 0.5 <= output["bitrate"] * duration / (output["size"] * 8) <= 2:
            self.count("suspicious_outputs_total", definition=definition, reason="bitrate")
