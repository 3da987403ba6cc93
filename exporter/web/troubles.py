"""Problems of the exporter and of its accounts, which the status page shows first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.display import duration
from exporter.model import UNKNOWN
from exporter.snapshot import AccountSnapshot, ShownJob, Total
from exporter.web.listing import Row, State, paused, rows
from exporter.web.pace import is_slow, stands_still, usual_durations
from exporter.web.recent import counted
from exporter.web.thresholds import (
    FAILURE_RATIO,
    FAILURE_RATIO_MINIMUM,
    NOTHING_MINIMUM,
    NOTHING_SECONDS,
    OLD_SECONDS,
    REFUSED_SECONDS,
    SLOW_FACTOR,
    STUCK_SECONDS,
    UNASKED_SECONDS,
    WAITING_SECONDS,
)
from exporter.web.unlikely import is_unlikely, usual_bitrates

CODES_NAMED = 4
IDS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem that needs attention.

    `kind` is `problem`, `warning` or `note`. `account` is empty if the exporter itself has it. `since` is in Unix
    seconds. `state` selects the jobs that it is about. `runbook` is the name of a page in `docs/runbooks`. `title`
    continues a sentence that starts with the account name.
    """

    kind: str
    account: str
    title: str
    detail: str = ""
    since: float | None = None
    state: str = ""
    runbook: str = ""


def troubles(account: AccountSnapshot, *, now: float, pause: Callable[[], None] = lambda: None) -> Iterator[Trouble]:
    """The troubles of `account` at `now`, in Unix seconds, the most urgent first. `pause` is called now and then."""
    yield from _reading(account, now)
    yield from _failures(account, now, pause)
    yield from _idle(account, now)
    yield from _pace(account, now, pause)
    yield from _freshness(account, now)


def exporter_troubles(*, reload_failed: bool, refused: Mapping[str, int]) -> Iterator[Trouble]:
    """The troubles of the exporter itself. `refused` counts the refused events and API requests by their reason."""
    if reload_failed:
        detail = "The previous configuration stays in use. The log has the faults; check-config shows them too."
        yield Trouble("problem", "", "the last reload failed", detail, runbook="VodConfigReloadFailed")
    if refused:
        minutes = f"in the last {REFUSED_SECONDS / 60:.0f} minutes"
        title = f"{_count(sum(refused.values()), 'request')} to the API or a callback refused {minutes}"
        yield Trouble("warning", "", title, "; ".join(f"{count:,}\u00a0×\u00a0{why}" for why, count in refused.items()))


def not_held(accounts: Sequence[str]) -> Trouble:
    """The trouble that no replica holds these accounts."""
    detail = "The log of each replica says whether it reaches the database. An account is taken within two heartbeats."
    title = f"no replica holds {', '.join(accounts[:IDS_NAMED])}"
    return Trouble("problem", "", title, detail, runbook="VodAccountNotHeld")


def slowed_down(account: AccountSnapshot) -> dict[str, float]:
    """Requests per second of each operation that the exporter has slowed down, as `Limiter` says."""
    # Every operation starts with the same budget.
    full = max(account.budget.values(), default=0.0)
    return {action: rate for action, rate in account.budget.items() if rate < full}


def _reading(account: AccountSnapshot, now: float) -> Iterator[Trouble]:
    name = account.name
    if account.up is False:
        yield Trouble(
            "problem",
            name,
            "cannot be read",
            account.last_error,
            account.down_since,
            runbook="VodCredentialsRejected" if account.refused else "VodAccountUnreachable",
        )
    elif account.up is None:
        yield Trouble("note", name, "has not been scraped yet", "Each scrape by Prometheus reads the account.")
    elif account.refreshed_at is not None and now - account.refreshed_at > UNASKED_SECONDS:
        detail = "Only a scrape makes the exporter ask VOD. Check that Prometheus scrapes this exporter."
        yield Trouble("warning", name, "has not been scraped", detail, account.refreshed_at, runbook="VodDataStale")
    if not account.view.durable:
        detail = (
            "Tasks that finish now may be counted twice after a restart. The log says why the state cannot be written."
        )
        yield Trouble("problem", name, "the state is not stored", detail, runbook="VodStateNotDurable")


def _failures(account: AccountSnapshot, now: float, pause: Callable[[], None]) -> Iterator[Trouble]:
    """Failed jobs are a warning, and a problem only if the share of failures is as high as for the alert.

    The counts of the last hour also have the jobs that are not listed any more. What ended before the first start of
    the exporter is listed, but not counted.
    """
    hour = account.view.hour_ago
    failed = [row for row in paused(rows(account), pause) if row.state is State.FAILED]
    recent = [row for row in paused(failed, pause) if _ended_within_an_hour(row, now)]
    ended = counted(account.view, hour, Total.JOBS_FINISHED)
    jobs = sum(count for (_, status), count in ended.items() if status == "TranscodeFail")
    jobs = max(jobs, sum(row.job is not None for row in recent))
    if failed or jobs:
        title = f"{_failed(jobs, sum(row.job is None for row in recent))} failed in the last hour"
        if len(failed) != jobs + sum(row.job is None for row in recent):
            listed = sum(row.job is not None for row in failed)
            title += f", {_failed(listed, len(failed) - listed)} listed"
        high = _fail_often(ended)
        yield Trouble(
            "problem" if high else "warning",
            account.name,
            title,
            _codes(account, paused(failed, pause)),
            state=State.FAILED,
            runbook="VodJobFailureRatioHigh" if high else "VodJobsFailing",
        )
    yield from _failed_tasks(account)


def _failed(jobs: int, tasks: int) -> str:
    counts = [_count(jobs, "job")] if jobs else []
    counts += [f"{_count(tasks, 'task')} without jobs"] if tasks else []
    return " and ".join(counts) or "no job"


def _codes(account: AccountSnapshot, failed: Iterable[Row]) -> str:
    """The error codes of the last hour and of the listed jobs, the most frequent first."""
    codes = Counter(row.job.error_code or UNKNOWN for row in failed if row.job is not None)
    hour = Counter[str]()
    for (_, code), count in counted(account.view, account.view.hour_ago, Total.JOB_FAILURES).items():
        hour[code] += count
    ordered = (codes | hour).most_common()
    named = [f"{count:,}\u00a0×\u00a0{'no code' if code == UNKNOWN else code}" for code, count in ordered[:CODES_NAMED]]
    return ", ".join([*named, "other codes"] if len(ordered) > CODES_NAMED else named)


def _ended_within_an_hour(row: Row, now: float) -> bool:
    source = row.job or (row.task.task if row.task else None)
    return source is not None and source.completed is not None and now - source.completed <= 3600


def _fail_often(ended: Mapping[tuple[str, ...], int]) -> bool:
    """Whether the jobs of a definition that ended within an hour failed more often than the alert allows."""
    for definition in {definition for definition, _ in ended}:
        failed, done = (ended.get((definition, status), 0) for status in ("TranscodeFail", "TranscodeSuccess"))
        if failed + done >= FAILURE_RATIO_MINIMUM and failed > FAILURE_RATIO * (failed + done):
            return True
    return False


def _failed_tasks(account: AccountSnapshot) -> Iterator[Trouble]:
    ended = counted(account.view, account.view.hour_ago, Total.TASKS_FINISHED)
    count, failed = ended.total(), sum(n for (status, _), n in ended.items() if status == "CompleteAllFail")
    if count >= FAILURE_RATIO_MINIMUM and failed > FAILURE_RATIO * count:
        yield Trouble(
            "problem",
            account.name,
            f"{failed:,} of {count:,} tasks failed completely in the last hour",
            "No job of these tasks succeeded.",
            state=State.FAILED,
            runbook="VodTaskFailureRatioHigh",
        )


def _pace(account: AccountSnapshot, now: float, pause: Callable[[], None]) -> Iterator[Trouble]:
    name, view = account.name, account.view
    if still := [shown for shown in paused(view.jobs, pause) if stands_still(shown.job, shown.progress_since, now)]:
        title = f"{_count(len(still), 'job')} without progress"
        detail = f"For {duration(STUCK_SECONDS)} or longer: {_ids(still)}."
        yield Trouble("warning", name, title, detail, state=State.TRANSCODING, runbook="VodJobStuck")
    durations = usual_durations(view)
    if slow := [shown for shown in paused(view.jobs, pause) if is_slow(shown.job, durations, now)]:
        title = f"{_count(len(slow), 'job')} far slower than usual"
        detail = f"Older than {SLOW_FACTOR:.0f} times the usual duration: {_ids(slow)}."
        yield Trouble("warning", name, title, detail, state=State.TRANSCODING, runbook="VodJobSlow")
    bitrates = usual_bitrates(view)
    if unlikely := [shown for shown in paused(view.jobs, pause) if is_unlikely(shown.job, bitrates)]:
        title = f"{_count(len(unlikely), 'job')} with an unlikely output"
        detail = f"The output is empty, or its bitrate is far from the usual one: {_ids(unlikely)}."
        yield Trouble("warning", name, title, detail, state=State.DONE, runbook="VodOutputSuspicious")


def _idle(account: AccountSnapshot, now: float) -> Iterator[Trouble]:
    view, hour = account.view, account.view.hour_ago
    if (
        hour.fewest_unfinished >= NOTHING_MINIMUM
        and now - hour.at >= NOTHING_SECONDS
        and not counted(view, hour, Total.JOBS_FINISHED)
    ):
        title = "no job finished in the last hour"
        detail = f"At least {hour.fewest_unfinished:,} jobs were unfinished all the time."
        yield Trouble("problem", account.name, title, detail, runbook="VodNothingFinished")


def _ids(jobs: Sequence[ShownJob]) -> str:
    ids = [shown.job.id for shown in jobs[:IDS_NAMED]]
    return ", ".join([*ids, "and others"] if len(jobs) > IDS_NAMED else ids)


def _freshness(account: AccountSnapshot, now: float) -> Iterator[Trouble]:
    name, view = account.name, account.view
    old = {definition: at for definition, at in view.oldest_unfinished.items() if now - at > OLD_SECONDS}
    if old:
        detail = ", ".join(f"{definition} {duration(now - at)}" for definition, at in sorted(old.items()))
        yield Trouble(
            "warning", name, "has old unfinished jobs", f"The oldest: {detail}.", runbook="VodOldestJobTooOld"
        )
    waits = {action: _wait(account, action) for action in account.pending_calls}
    if late := {action: seconds for action, seconds in waits.items() if seconds > WAITING_SECONDS}:
        detail = ", ".join(f"{action} {duration(seconds)}" for action, seconds in sorted(late.items()))
        text = f"The waiting calls need: {detail}. Raise requests_per_second, or track fewer tasks."
        yield Trouble("warning", name, "needs more calls than its budget", text, runbook="VodBudgetExhausted")
    if view.stale_jobs:
        detail = (
            "Their data is older than series.max_staleness, so they are not listed. "
            "Check that Prometheus scrapes this exporter and that requests_per_second is high enough."
        )
        yield Trouble("warning", name, f"{_count(view.stale_jobs, 'job')} stale", detail, runbook="VodDataStale")
    if slow := slowed_down(account):
        rates = ", ".join(f"{action} {rate:.3g} requests/s" for action, rate in sorted(slow.items()))
        detail = f"VOD throttled it, or sent too much: {rates}."
        yield Trouble("warning", name, "is slowed down", detail, runbook="VodThrottled")
    if view.truncated_jobs:
        yield Trouble(
            "note",
            name,
            f"{_count(view.truncated_jobs, 'job')} not listed",
            "They exceed series.max_jobs. The counts include them.",
        )


def _wait(account: AccountSnapshot, action: str) -> float:
    """The seconds that the waiting calls of an operation need at its present budget."""
    rate = account.budget.get(action)
    return account.pending_calls[action] / rate if rate else 0.0


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
