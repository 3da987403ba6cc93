"""What the status page lists: the tasks and jobs that a search finds, failed ones first, a page at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from urllib.parse import urlencode

from exporter.model import Job, job_status, task_status
from exporter.snapshot import AccountSnapshot, ShownTask, Snapshot
from exporter.text import clean
from exporter.web.addresses import without_keys

PAGE_SIZE = 50
SEARCH_LIMIT = 200  # characters; three ids and more
REFRESH_SECONDS = 30


class State(StrEnum):
    """How a job is, or a task without jobs. In the order in which they are listed."""

    FAILED = "failed"
    UNKNOWN = "unknown"
    TRANSCODING = "transcoding"
    SUBMITTED = "submitted"
    CANCELLED = "cancelled"
    DONE = "done"


_RANK = {state: rank for rank, state in enumerate(State)}
_OF_JOB = {
    "Submitted": State.SUBMITTED,
    "Transcoding": State.TRANSCODING,
    "TranscodeSuccess": State.DONE,
    "TranscodeFail": State.FAILED,
    "TranscodeCancelled": State.CANCELLED,
}
_OF_TASK = {
    "Processing": State.TRANSCODING,
    "Partial": State.TRANSCODING,
    "CompleteAllSucc": State.DONE,
    "CompleteAllFail": State.FAILED,
    "CompletePartialSucc": State.FAILED,
}


def job_state(status: str) -> State:
    """Of a job's status, as VOD or the metrics have it."""
    return _OF_JOB.get(job_status(status), State.UNKNOWN)


def task_state(status: str) -> State:
    """Of a task's status, as VOD or the metrics have it."""
    return _OF_TASK.get(task_status(status), State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Query:
    """What the address of the page asks for. `page` counts from 1; `refresh` is in seconds, 0 is never."""

    q: str = ""
    account: str = ""
    status: str = ""
    page: int = 1
    refresh: int = REFRESH_SECONDS

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Query:
        """Whatever stands in the parameters: what makes no sense counts as absent."""
        words = parameters.get("q", "")[:SEARCH_LIMIT].split()  # on tabs and line breaks too, which a paste may bring
        status = parameters.get("status", "")
        return cls(
            q=clean(" ".join(words)),
            account=parameters.get("account", ""),
            status=status if status in tuple(State) else "",
            page=max(1, _number(parameters.get("page"), 1)),
            refresh=0 if parameters.get("refresh") == "0" else REFRESH_SECONDS,
        )

    @property
    def narrow(self) -> bool:
        return bool(self.q or self.account or self.status)

    def link(self, **changes: str | int) -> str:
        """The address of the page with these parameters changed; on its first page, where `page` is not among them."""
        wanted = replace(self, **{"page": 1, **changes})  # type: ignore[arg-type]
        names = ("q", "account", "status", "page", "refresh")
        told = {name: getattr(wanted, name) for name in names if getattr(wanted, name) != getattr(_NOTHING, name)}
        return f"/?{urlencode(told)}" if told else "/"


_NOTHING = Query()


@dataclass(frozen=True, slots=True)
class Row:
    """A job, or with `job` None a task without jobs. `task` is None where the bound on series has left it out."""

    account: str
    task_id: str
    video_id: str
    task: ShownTask | None
    job: Job | None
    state: State

    @property
    def text(self) -> str:
        """What a search looks through."""
        job, task = self.job or Job(""), self.task.task if self.task else None
        status = task.status if task else ""
        words = [self.task_id, self.video_id, job.id, job.definition, job.status, job.error_code]
        words.append(without_keys(job.error_message))  # nobody finds out letter by letter what is not shown
        return " ".join((*words, status, self.state)).casefold()


@dataclass(frozen=True, slots=True)
class Group:
    """A task and those of its jobs that are on the page."""

    account: str
    task_id: str
    video_id: str
    task: ShownTask | None
    rows: tuple[Row, ...]

    @property
    def jobs(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.job is not None)


@dataclass(frozen=True, slots=True)
class Listing:
    """One page. `found` rows of `known` answer the query; `first` and `last` of them are on it, counted from 1."""

    groups: tuple[Group, ...]
    known: int
    found: int
    page: int
    pages: int

    @property
    def first(self) -> int:
        return min((self.page - 1) * PAGE_SIZE + 1, self.found)

    @property
    def last(self) -> int:
        return min(self.page * PAGE_SIZE, self.found)

    @property
    def near(self) -> list[int]:
        """The pages to offer: the first, the last, and those around this one, in order."""
        around = range(self.page - 2, self.page + 3)
        return sorted({1, self.pages, *(page for page in around if 1 <= page <= self.pages)})


def listing(snapshot: Snapshot, query: Query) -> Listing:
    """The page that the query asks for, the last one where it asks for one beyond it."""
    known = [row for account in snapshot.accounts for row in rows(account)]
    found = list(_matching(known, query))
    pages = max(1, -(-len(found) // PAGE_SIZE))
    page = min(query.page, pages)
    shown = _sorted(found)[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    return Listing(tuple(_groups(shown)), len(known), len(found), page, pages)


def rows(account: AccountSnapshot) -> Iterator[Row]:
    """Every job of the account's view, then its tasks without jobs."""
    view, name = account.view, account.name
    tasks = {shown.task.id: shown for shown in view.tasks}
    for one in view.jobs:
        yield Row(name, one.task_id, one.video_id, tasks.get(one.task_id), one.job, job_state(one.job.status))
    with_jobs = {one.task_id for one in view.jobs}
    for shown in view.tasks:
        if shown.task.id not in with_jobs:
            yield Row(name, shown.task.id, shown.task.video_id, shown, None, task_state(shown.task.status))


def _number(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch(r"\d{1,9}", text, re.ASCII) else default


def _matching(candidates: Iterable[Row], query: Query) -> Iterator[Row]:
    """Rows of the wanted account and state that have every word of the search, in whatever case."""
    words = query.q.casefold().split()
    for row in candidates:
        if query.account in ("", row.account) and query.status in ("", row.state):
            text = row.text if words else ""
            if all(word in text for word in words):
                yield row


def _sorted(found: Iterable[Row]) -> list[Row]:
    """Jobs of a task together, tasks by their worst state; of what is unfinished the oldest first, else the latest."""
    tasks: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        tasks.setdefault((row.account, row.task_id), []).append(row)
    groups = [sorted(group, key=lambda row: _RANK[row.state]) for group in tasks.values()]
    groups.sort(key=lambda group: _urgency(group[0]))
    return [row for group in groups for row in group]


def _urgency(row: Row) -> tuple[int, float]:
    source = row.job or (row.task.task if row.task else None)
    created, completed = (source.created, source.completed) if source else (None, None)
    if row.state in (State.TRANSCODING, State.SUBMITTED, State.UNKNOWN):
        return _RANK[row.state], created or 0.0
    return _RANK[row.state], -(completed or created or 0.0)


def _groups(shown: Iterable[Row]) -> Iterator[Group]:
    for (account, task_id), group in groupby(shown, key=lambda row: (row.account, row.task_id)):
        members = tuple(group)
        yield Group(account, task_id, members[0].video_id, members[0].task, members)
