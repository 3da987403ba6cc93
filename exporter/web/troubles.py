"""Problems of an account, which the status page shows first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.snapshot import AccountSnapshot
from exporter.web.listing import State, rows

CODES_NAMED = 4


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem that needs attention.

    `kind` is `problem`, `warning` or `note`. `since` is in Unix seconds. `state` selects the jobs that it is about.
    `runbook` is the name of a page in `docs/runbooks`. `title` continues a sentence that starts with the account name.
    """

    kind: str
    account: str
    title: str
    detail: str = ""
    since: float | None = None
    state: str = ""
    runbook: str = ""


def troubles(account: AccountSnapshot) -> Iterator[Trouble]:
    """The troubles of `account`, the most urgent first."""
    yield from _reading(account)
    yield from _failures(account)
    yield from _freshness(account)


def slowed_down(account: AccountSnapshot) -> dict[str, float]:
    """Requests per second of each operation that the exporter has slowed down because VOD throttled it."""
    # Every operation starts with the same budget, and only throttling lowers it.
    full = max(account.budget.values(), default=0.0)
    return {action: rate for action, rate in account.budget.items() if rate < full}


def _reading(account: AccountSnapshot) -> Iterator[Trouble]:
    name = account.name
    if account.up is False:
        yield Trouble(
            "problem",
            name,
            "cannot be read",
            account.last_error,
            account.last_error_at,
            runbook="VodAccountUnreachable",
        )
    elif account.up is None:
        yield Trouble("note", name, "has not been scraped yet", "Each scrape by Prometheus reads the account.")
    if not account.view.durable:
        detail = (
            "Tasks that finish now may be counted twice after a restart. The log says why the state cannot be written."
        )
        yield Trouble("problem", name, "the state is not stored", detail, runbook="VodStateNotDurable")


def _failures(account: AccountSnapshot) -> Iterator[Trouble]:
    failed = [row for row in rows(account) if row.state is State.FAILED]
    codes = Counter(row.job.error_code or "no code" for row in failed if row.job is not None)
    jobs, tasks = codes.total(), len(failed) - codes.total()
    counts = [_count(jobs, "job")] if jobs else []
    counts += [f"{_count(tasks, 'task')} without jobs"] if tasks else []
    if counts:
        listed = [f"{count:,}\u00a0×\u00a0{code}" for code, count in codes.most_common(CODES_NAMED)]
        listed += ["other codes"] if len(codes) > CODES_NAMED else []
        title = f"{' and '.join(counts)} failed"
        yield Trouble("problem", account.name, title, ", ".join(listed), state=State.FAILED, runbook="VodJobsFailing")


def _freshness(account: AccountSnapshot) -> Iterator[Trouble]:
    name, view = account.name, account.view
    if view.stale_jobs:
        detail = (
            "Their data is older than series.max_staleness, so they are not listed. "
            "Check that Prometheus scrapes this exporter and that requests_per_second is high enough."
        )
        yield Trouble("warning", name, f"{_count(view.stale_jobs, 'job')} stale", detail, runbook="VodDataStale")
    if slow := slowed_down(account):
        rates = ", ".join(f"{action} {rate:.3g} requests/s" for action, rate in sorted(slow.items()))
        yield Trouble("warning", name, "is throttled by VOD", f"Slowed down to: {rates}.", runbook="VodThrottled")
    if view.truncated_jobs:
        yield Trouble(
            "note",
            name,
            f"{_count(view.truncated_jobs, 'job')} not listed",
            "They exceed series.max_jobs. The counts include them.",
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
