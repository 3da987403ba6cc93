"""Decides when a task stops being tracked: some time after its end, or when its end is not expected any more."""

from __future__ import annotations

from collections.abc import Callable, Collection

from exporter.tracking.names import Names
from exporter.tracking.order import Order
from exporter.tracking.queue import NOT_YET_SECONDS
from exporter.tracking.records import TrackedTask
from exporter.tracking.roster import Roster
from exporter.tracking.store import Memory
from exporter.tracking.view import Limits

# If the clock was a day ahead, memories end a day early. The lists of VOD may also be late.
MEMORY_MARGIN_SECONDS = 49 * 3600.0
REMEMBER_GIVEN_UP_SECONDS = 366 * 86400.0  # VOD lists unfinished tasks for a year
_CONFIRMATIONS = 2  # consecutive answers that a task does not exist, before it is dropped
_FIRST_PAUSE_SECONDS = 5.0  # before a registered task that VOD does not know yet is asked about again


class Departures:
    """`started` is when this process began to track the account, in Unix seconds.

    `dropped` is called with the reason when an unfinished task is dropped. Not safe to use from several threads.
    """

    def __init__(
        self, roster: Roster, names: Names, limits: Limits, *, started: float, dropped: Callable[[str], None]
    ) -> None:
        self._roster = roster
        self._names = names
        self._limits = limits
        self._started = started
        self._report_dropped = dropped
        self._named: Collection[str] = ()
        self._staying: set[str] = set()  # tasks that would leave if no source named them
        self.memory = limits.lookback + MEMORY_MARGIN_SECONDS  # seconds for which a counted task is remembered

    def expire(self, now: float) -> None:
        """Drop tasks that finished longer ago than the retention; give up tasks that are unfinished for too long.

        Tasks that a source names stay.
        """
        self._roster.update()
        self._look_at_names()
        shelf, tasks = self._roster.shelf, self._roster.tasks
        for task_id in shelf.unfinished_tasks.first(lambda since: now - since > self._limits.give_up_after):
            if not self._stays(task_id, shelf.unfinished_tasks) and self._vod_could_report(tasks[task_id], now):
                self.give_up(tasks[task_id], "given_up", now)
        for task_id in shelf.finished_tasks.last(lambda finished: finished > now):  # the clock was set back
            if not self._stays(task_id, shelf.finished_tasks):
                tasks[task_id].finished_at = now
        for task_id in shelf.finished_tasks.first(lambda finished: now - finished > self._limits.retention):
            if not self._stays(task_id, shelf.finished_tasks):
                self._forget(tasks[task_id], now)

    def _stays(self, task_id: str, order: Order) -> bool:
        """Whether a source names the task. If so, it is not looked at again until the names change."""
        if task_id in self._named:
            order.drop(task_id)
            self._staying.add(task_id)
            return True
        return False

    def _look_at_names(self) -> None:
        named = self._names.current()
        if named is not self._named:
            self._named = named
            for task_id in self._staying & self._roster.tasks.keys():
                self._roster.shelf.task(self._roster.tasks[task_id])
            self._staying.clear()

    def make_room(self, count: int, *, most: int, now: float) -> None:
        """Let finished tasks leave before the end of the retention, the oldest first, so that `count` others fit.

        Tasks that a source names stay. `most` tasks can be tracked.
        """
        excess = len(self._roster.tasks) + count - most
        if excess > 0:
            ended = sorted(self._replaceable(), key=lambda task: task.finished_at or 0.0)
            for task in ended[: max(excess, most // 100)]:  # more than needed, so that not every new task does this
                self._forget(task, now)

    def have_room(self, count: int, *, most: int) -> bool:
        """Whether `make_room` could make enough room."""
        excess = len(self._roster.tasks) + count - most
        return excess <= 0 or excess <= len(self._replaceable())

    def _replaceable(self) -> list[TrackedTask]:
        named = self._names.current()
        return [task for task in self._roster.tasks.values() if task.finished_at and task.id not in named]

    def _forget(self, task: TrackedTask, now: float) -> None:
        """Stop tracking a finished task. The store remembers that it was counted."""
        self._roster.remove_task(task, Memory(until=now + self.memory, finished=True))

    def _vod_could_report(self, task: TrackedTask, now: float) -> bool:
        """Whether this process got an answer about the task, or has waited for one as long as `give_up_after`.

        The task may have ended while no exporter ran."""
        return task.answered or now - self._started > self._limits.give_up_after

    def not_found(self, task: TrackedTask, now: float) -> bool:
        """VOD does not know the task. If a second answer in a row says so, stops tracking it and returns True.

        Within ten minutes after a registration, such an answer means that VOD does not know the task yet. VOD is
        then asked again after half of the time since the registration, so ten minutes cost about 15 calls.
        """
        if task.finished_at is not None:
            return False
        age = now - task.registered if task.registered is not None else NOT_YET_SECONDS
        if task.task is None and 0 <= age < NOT_YET_SECONDS:
            task.ask_after = now + min(max(_FIRST_PAUSE_SECONDS, age / 2), NOT_YET_SECONDS - age)
            return False
        task.not_found += 1
        if task.not_found < _CONFIRMATIONS:
            return False
        self.give_up(task, "not_found", now)
        return True

    def give_up(self, task: TrackedTask, reason: str, now: float) -> None:
        """Stop tracking the task. Only a source that does not name it now can name it again later.

        `reason` is a value of the label of `vod_exporter_dropped_tasks_total`.
        """
        self._names.drop(task.id)
        finished = task.finished_at is not None
        if not finished:
            self._report_dropped(reason)
        if task.task is None and reason == "not_found":
            self._roster.remove_task(task)  # not remembered, because VOD may know the task later
        else:
            self._roster.remove_task(task, Memory(until=now + REMEMBER_GIVEN_UP_SECONDS, finished=finished))
