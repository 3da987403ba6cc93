"""What is wrong with an account, in words: what the status page says first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.snapshot import AccountSnapshot
from exporter.web.listing import State, rows

CODES_NAMED = 4


@dataclass(frozen=True, slots=True)
class Trouble:
    """`kind` is `problem`, `warning` or `note`; `since` is Unix seconds; `state` is that of the jobs to look at.

    `runbook` is the name of a page in `docs/runbooks`.
    """

    kind: str
    account: str
    title: str
    detail: str = ""
    since: float | None = None
    state: str = ""
    runbook: str = ""


def troubles(account: AccountSnapshot) -> Iterator[Trouble]:
    """The worst first."""
    yield from _reading(account)
    yield from _failures(account)
    yield from _freshness(account)


def slowed_down(account: AccountSnapshot) -> dict[str, float]:
    """Calls per second of the operations that VOD has throttled."""
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
        yield Trouble("note", name, "was not asked yet", "VOD is asked when the metrics are scraped.")
    if not account.view.durable:
        detail = "What finishes now may be counted again after a restart; see the log."
        yield Trouble("problem", name, "state is not kept", detail, runbook="VodStateNotDurable")


def _failures(account: AccountSnapshot) -> Iterator[Trouble]:
    failed = [row for row in rows(account) if row.state is State.FAILED]
    codes = Counter(row.job.error_code or "no code" for row in failed if row.job is not None)
    jobs, tasks = codes.total(), len(failed) - codes.total()
    who = [_count(jobs, "job")] if jobs else []
    who += [f"{_count(tasks, 'task')} without jobs"] if tasks else []
    if who:
        told = [f"{count:,}\u00a0×\u00a0{code}" for code, count in codes.most_common(CODES_NAMED)]
        told += ["other codes"] if len(codes) > CODES_NAMED else []
        title = f"{' and '.join(who)} failed"
        yield Trouble("problem", account.name, title, ", ".join(told), state=State.FAILED, runbook="VodJobsFailing")


def _freshness(account: AccountSnapshot) -> Iterator[Trouble]:
    name, view = account.name, account.view
    if view.stale_jobs:
        detail = "Too long not heard of, so not listed. Is the exporter scraped? Is the budget enough?"
        yield Trouble("warning", name, f"{_count(view.stale_jobs, 'job')} stale", detail, runbook="VodDataStale")
    if slow := slowed_down(account):
        told = ", ".join(f"{action} {rate:.3g} calls/s" for action, rate in sorted(slow.items()))
        yield Trouble("warning", name, "is throttled by VOD", f"Slowed down: {told}.", runbook="VodThrottled")
    if view.truncated_jobs:
        yield Trouble(
            "note",
            name,
            f"{_count(view.truncated_jobs, 'job')} not listed",
            "They are beyond series.max_jobs; the counts have them.",
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
