"""The list of the status page: tasks and jobs that match a search, sorted by urgency and divided into pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import TypeVar
from urllib.parse import urlencode

from exporter.masks import mask
from exporter.model import Job, job_status, task_status
from exporter.snapshot import AccountSnapshot, ShownTask, Snapshot
from exporter.text import clean

PAGE_SIZE = 50
SEARCH_LIMIT = 200  # characters; enough for several ids
REFRESH_SECONDS = 30
_MAX_STATUS = 30
_ITEMS_TO_A_PAUSE = 500
_WORD = re.compile(r"[\w.-]+")  # ids, error codes and definitions such as HD-MP4 are single words


Item = TypeVar("Item")


class State(StrEnum):
    """The state of a job, or of a task without jobs. The list shows the states in this order."""

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
    """The state for a job status of VOD or of the metrics."""
    return _OF_JOB.get(job_status(status), State.UNKNOWN)


def task_state(status: str) -> State:
    """The state for a task status of VOD or of the metrics."""
    return _OF_TASK.get(task_status(status), State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Query:
    """The query parameters of the page. `page` counts from 1; `refresh` is in seconds, and 0 switches it off.

    `unknown_status` is a `status` parameter that is not a `State`. The page says so, and shows all states.
    """

    q: str = ""
    account: str = ""
    status: str = ""
    page: int = 1
    refresh: int = REFRESH_SECONDS
    unknown_status: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Query:
        """The query in `parameters`. Invalid values count as absent, so that any URL shows a page."""
        # Splits on tabs and line breaks too, which pasted text may contain.
        words = parameters.get("q", "")[:SEARCH_LIMIT].split()
        status = parameters.get("status", "")
        return cls(
            q=clean(" ".join(words)),
            account=parameters.get("account", ""),
            status=status if status in tuple(State) else "",
            page=max(1, _number(parameters.get("page"), 1)),
            refresh=0 if parameters.get("refresh") == "0" else REFRESH_SECONDS,
            unknown_status="" if status in tuple(State) else clean(status, _MAX_STATUS),
        )

    @property
    def narrow(self) -> bool:
        """Whether the query leaves out tasks or jobs."""
        return bool(self.q or self.account or self.status)

    def link(self, **changes: str | int) -> str:
        """The relative URL of the page with `changes` to its parameters: the first page, unless they set `page`."""
        # Parameters with their default value are left out, so that URLs stay short.
        wanted = replace(self, **{"page": 1, **changes})  # type: ignore[arg-type]
        names = ("q", "account", "status", "page", "refresh")
        parameters = {name: getattr(wanted, name) for name in names if getattr(wanted, name) != getattr(_DEFAULT, name)}
        return f"./?{urlencode(parameters)}" if parameters else "./"


_DEFAULT = Query()


@dataclass(frozen=True, slots=True)
class Row:
    """A job, or a task without jobs if `job` is None. `task` is None if `series.max_jobs` excludes the task.

    `progress_since` is that of the `ShownJob`.
    """

    account: str
    task_id: str
    video_id: str
    task: ShownTask | None
    job: Job | None
    state: State
    progress_since: float | None = None

    @property
    def text(self) -> str:
        """The text that a search matches against, in case-folded form."""
        job, task = self.job or Job(""), self.task.task if self.task else None
        status = task.status if task else ""
        words = [self.task_id, self.video_id, job.id, job.definition, job.status]
        # The text as shown: searching the full message would reveal masked secrets letter by letter.
        words += [mask(job.error_code), mask(job.error_message)]
        return " ".join((*words, status, self.state)).casefold()


@dataclass(frozen=True, slots=True)
class Group:
    """A task, and its jobs on this page."""

    account: str
    task_id: str
    video_id: str
    task: ShownTask | None
    rows: tuple[Row, ...]

    @property
    def jobs(self) -> tuple[Row, ...]:
        """The rows of jobs; none for a task without jobs."""
        return tuple(row for row in self.rows if row.job is not None)


@dataclass(frozen=True, slots=True)
class Listing:
    """One page. `found` of all `known` rows match the query. The page has rows `first` to `last`, counted from 1."""

    groups: tuple[Group, ...]
    known: int
    found: int
    page: int
    pages: int

    @property
    def first(self) -> int:
        """The number of the first row on this page; 0 if no row matches."""
        return min((self.page - 1) * PAGE_SIZE + 1, self.found)

    @property
    def last(self) -> int:
        """The number of the last row on this page; 0 if no row matches."""
        return min(self.page * PAGE_SIZE, self.found)

    @property
    def near(self) -> list[int]:
        """The page numbers to link to: the first, the last, and those next to this page, in ascending order."""
        around = range(self.page - 2, self.page + 3)
        return sorted({1, self.pages, *(page for page in around if 1 <= page <= self.pages)})


def listing(snapshot: Snapshot, query: Query, pause: Callable[[], None] = lambda: None) -> Listing:
    """The page that `query` asks for, or the last page if there are fewer. `pause` is called now and then."""
    known = list(paused((row for account in snapshot.accounts for row in rows(account)), pause))
    found = list(_matching(paused(known, pause), query))
    pages = max(1, -(-len(found) // PAGE_SIZE))  # rounded up
    page = min(query.page, pages)
    shown = _sorted(found, pause)[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    return Listing(tuple(_groups(shown)), len(known), len(found), page, pages)


def rows(account: AccountSnapshot) -> Iterator[Row]:
    """All jobs of the account's view, then its tasks without jobs."""
    view, name = account.view, account.name
    tasks = {shown.task.id: shown for shown in view.tasks}
    for shown in view.jobs:
        job, task_id = shown.job, shown.task_id
        state = job_state(job.status)
        yield Row(name, task_id, shown.video_id, tasks.get(task_id), job, state, shown.progress_since)
    with_jobs = {shown.task_id for shown in view.jobs}
    for task_id, shown_task in tasks.items():
        if task_id not in with_jobs:
            task = shown_task.task
            yield Row(name, task_id, task.video_id, shown_task, None, task_state(task.status))


def paused(items: Iterable[Item], pause: Callable[[], None]) -> Iterator[Item]:
    """The items. `pause` is called before the first one, and after each `_ITEMS_TO_A_PAUSE`."""
    for number, item in enumerate(items):
        if number % _ITEMS_TO_A_PAUSE == 0:
            pause()
        yield item


def _number(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch(r"\d{1,9}", text, re.ASCII) else default


def _matching(candidates: Iterable[Row], query: Query) -> Iterable[Row]:
    """The rows of the account and state of `query` that match its search, in upper or lower case.

    A row matches if it has each word of the search as a whole word, so that `HD` does not find `FHD`. If no row does,
    the rows that contain the words as parts of others match.
    """
    rows = (row for row in candidates if query.account in ("", row.account) and query.status in ("", row.state))
    words = query.q.casefold().split()
    if not words:
        return rows
    containing = [(row, text) for row in rows if all(word in (text := row.text) for word in words)]
    whole = [row for row, text in containing if set(_WORD.findall(text)).issuperset(words)]
    return whole or [row for row, _ in containing]


def _sorted(found: Iterable[Row], pause: Callable[[], None]) -> list[Row]:
    """The rows, grouped by task. Tasks are sorted by the most urgent state of their jobs.

    Within a state, unfinished tasks are sorted from old to new, and finished tasks from new to old.
    """
    tasks: dict[tuple[str, str], list[Row]] = {}
    for row in paused(found, pause):
        tasks.setdefault((row.account, row.task_id), []).append(row)
    groups = [sorted(group, key=lambda row: _RANK[row.state]) for group in paused(tasks.values(), pause)]
    groups.sort(key=lambda group: _urgency(group[0]))
    return [row for group in paused(groups, pause) for row in group]


def _urgency(row: Row) -> tuple[int, float]:
    """The sort key of a task, from its most urgent row: first the state, then the age."""
    source = row.job or (row.task.task if row.task else None)
    created, completed = (source.created, source.completed) if source else (None, None)
    if row.state in (State.TRANSCODING, State.SUBMITTED, State.UNKNOWN):
        return _RANK[row.state], created or 0.0
    return _RANK[row.state], -(completed or created or 0.0)


def _groups(shown: Iterable[Row]) -> Iterator[Group]:
    for (account, task_id), group in groupby(shown, key=lambda row: (row.account, row.task_id)):
        members = tuple(group)
        yield Group(account, task_id, members[0].video_id, members[0].task, members)
