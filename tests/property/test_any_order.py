"""A ledger keeps its rules, whatever VOD answers and in whatever order the answers arrive."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.model import Job, Task
from exporter.tracking.ledger import Ledger
from exporter.tracking.view import Limits
from tests.conftest import Clock, examples
from tests.tracking.conftest import HOUR

pytestmark = pytest.mark.slow

TASK_IDS = ("t1", "t2", "t3", "t4")
JOB_IDS = ("", "a", "b", "c", "d")
JOB_STATUSES = ("Transcoding", "Submitted", "TranscodeSuccess", "TranscodeFail", "TranscodeCancelled", "Unlisted", "")
TASK_STATUSES = ("Processing", "Partial", "CompleteAllSucc", "CompleteAllFail", "CompletePartialSucc", "Unlisted", "")
jobs_seen = st.lists(
    st.builds(
        Job,
        st.sampled_from(JOB_IDS),
        st.sampled_from(("", "HD", "LD", "D1", "D2")),
        st.sampled_from(JOB_STATUSES),
        st.none() | st.floats(0, 1),
        created=st.none() | st.floats(0, 2e9),
    ),
    max_size=5,
).map(tuple)
LIMITS = Limits(max_jobs=3, retention=900.0, max_staleness=300.0)


class AnyOrder(RuleBasedStateMachine):
    """Answers that are late, repeated or contradictory, steps of the clock, and refreshes that overlap."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.ledger = Ledger(limits=LIMITS, clock=self.clock)
        self.finished: dict[str, str] = {}
        self.over: dict[str, int] = {}

    @rule(key=st.sampled_from("xy"), ids=st.lists(st.sampled_from(TASK_IDS), unique=True))
    def name(self, key: str, ids: list[str]) -> None:
        self.ledger.name(key, ids, source=key)

    @rule()
    def start_refresh(self) -> None:
        self.ledger.start_refresh()

    @rule(task_id=st.sampled_from(TASK_IDS), status=st.sampled_from(TASK_STATUSES), jobs=jobs_seen)
    def whole(self, task_id: str, status: str, jobs: tuple[Job, ...]) -> None:
        self.ledger.observe_task(task_id, Task(task_id, "v", status, jobs=jobs))
        self.ledger.asked_task(task_id)

    @rule(asked=st.lists(st.sampled_from(JOB_IDS)), jobs=jobs_seen)
    def by_ids(self, asked: list[str], jobs: tuple[Job, ...]) -> None:
        self.ledger.observe_jobs(asked, jobs)
        self.ledger.asked_jobs(asked)

    @rule(task_id=st.sampled_from(TASK_IDS))
    def not_found(self, task_id: str) -> None:
        self.ledger.observe_not_found(task_id)

    @rule(seconds=st.sampled_from((-HOUR, 1.0, 301.0, 901.0, 24 * HOUR)))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def view(self) -> None:
        view = self.ledger.view()
        jobs, tasks = self.ledger._roster.jobs, self.ledger._roster.tasks
        assert sum(view.job_counts.values()) == len(jobs)
        assert sum(view.tracked_tasks.values()) == len(tasks)
        assert sum(view.task_counts.values()) == sum(one.task is not None for one in tasks.values())
        assert len(view.jobs) <= LIMITS.max_jobs
        assert len(view.tasks) <= LIMITS.max_jobs
        assert len(view.jobs) + view.truncated_jobs + view.stale_jobs == len(jobs)
        assert len({one.job.id for one in view.jobs}) == len(view.jobs)
        assert len({one.task.id for one in view.tasks}) == len(view.tasks)
        for shown in view.jobs:
            tracked = jobs[shown.job.id]
            if tracked.finished_at is None:
                assert abs(self.clock.now - tracked.refreshed) <= LIMITS.max_staleness
        named = frozenset().union(*self.ledger._names._by_key.values())
        for task in tasks.values():
            if task.finished_at is not None and task.id not in named:
                assert 0 <= self.clock.now - task.finished_at <= LIMITS.retention

    @invariant()
    def each_id_is_there_once_and_has_its_task(self) -> None:
        owned = [job_id for task in self.ledger._roster.tasks.values() for job_id in task.job_ids]
        assert sorted(owned) == sorted(self.ledger._roster.jobs)
        assert "" not in self.ledger._roster.jobs
        for task in self.ledger._roster.tasks.values():
            assert all(self.ledger._roster.jobs[job_id].task_id == task.id for job_id in task.job_ids)

    @invariant()
    def a_job_seen_finished_stays_as_it_finished(self) -> None:
        now = {one.job.id: one.job.status for one in self.ledger._roster.jobs.values()}
        for job_id, status in self.finished.items():
            assert now.get(job_id, status) == status
        self.finished = {job_id: now[job_id] for job_id, one in self.ledger._roster.jobs.items() if one.job.finished}

    @invariant()
    def what_is_unfinished_is_work_and_what_is_finished_is_not(self) -> None:
        self.ledger.start_refresh()
        work = self.ledger.work()
        asked = [*work.new_tasks, *work.whole_tasks]
        assert len(set(asked)) == len(asked)
        assert len(set(work.jobs)) == len(work.jobs)
        for task in self.ledger._roster.tasks.values():
            reached = task.id in asked or any(task_id == task.id for _, task_id in work.jobs)
            assert reached == (task.finished_at is None)
        for job_id, job in self.ledger._roster.jobs.items():
            in_work = job.task_id in asked or (job_id, job.task_id) in work.jobs
            assert in_work or job.finished_at is not None


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(examples(0.8), stateful_step_count=40)
