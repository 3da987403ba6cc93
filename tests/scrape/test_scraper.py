"""Scrapes are answered before their deadline, share refreshes, and keep accounts apart."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from types import SimpleNamespace
from typing import Any, cast

import pytest

from exporter import config, wiring
from exporter.deadline import Deadline, Reserve, scrape_timeout
from exporter.keys import Key
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.account import Account
from exporter.scrape.scraper import Scraper
from exporter.scrape.threads import Threads
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.snapshot import AccountSnapshot, LedgerView, Snapshot
from exporter.tracking.holdings import Alone, Holding
from exporter.tracking.store import Changes, MemoryStore
from tests.conftest import Simulators, fastest, held, wait_until

pytestmark = pytest.mark.slow

KEYS = config.AccountKeys(access_key_id=Key("simulator"), access_key_secret=Key("simulator"))
NOWHERE = "http://127.0.0.1:9"  # the discard port, where nothing listens


def tracking(name: str, url: str, tasks: Sequence[str], *, rate: float = 100.0) -> config.Account:
    return config.Account(
        name=name,
        endpoint=url,
        credentials=KEYS,
        requests_per_second=rate,
        track=config.Track(tasks=tuple(tasks), discovery=config.Discovery(enabled=False)),
    )


def newest(simulator: Simulator, count: int) -> list[str]:
    return [task.id for task in simulator.world.tasks[-count:]]


class Shared(Alone):
    """Holdings that replicas share: this one holds `prod` and `test`, and another holds `away`."""

    def holders(self) -> Mapping[str, str]:
        return {"prod": "a", "test": "a", "away": "b"}


def calls(simulator: Simulator) -> int:
    return simulator.quota.calls.get("GetTranscodeTask", 0)


@pytest.fixture
def simulator(simulators: Simulators) -> Simulator:
    made = simulators(quota=math.inf)
    made.clock.freeze()
    return made


Start = Callable[..., Scraper]


@pytest.fixture
def start() -> Iterator[Start]:
    """A scraper over these accounts, closed after the test."""
    with ExitStack() as stack:

        def made(*accounts: config.Account, min_interval: float = 0.0) -> Scraper:
            settings = config.Settings(accounts=accounts)
            telemetry, threads = Telemetry(), Threads("account")
            parts = [wiring.account(one, settings, telemetry, Holding(MemoryStore()), threads) for one in accounts]
            return stack.enter_context(closing(Scraper(parts, min_interval=min_interval)))

        yield made


def test_ten_scrapes_at_once_share_one_refresh_and_its_answer(simulator: Simulator, start: Start) -> None:
    simulator.delay = 0.1
    scraper = start(tracking("prod", simulator.url, newest(simulator, 16)), min_interval=60.0)
    together = threading.Barrier(10)

    def scrape() -> Snapshot:
        together.wait(10)
        return scraper.scrape(Deadline.after(20))

    with ThreadPoolExecutor(10) as pool:
        answers = [future.result() for future in [pool.submit(scrape) for _ in range(10)]]

    assert calls(simulator) == 16
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].accounts[0].up is True
    assert sum(answers[0].accounts[0].view.task_counts.values()) == 16


def test_a_scrape_within_the_interval_makes_no_calls(simulator: Simulator, start: Start) -> None:
    scraper = start(tracking("prod", simulator.url, newest(simulator, 5)), min_interval=60.0)
    first = scraper.scrape(Deadline.after(20))
    spent = calls(simulator)
    second = scraper.scrape(Deadline.after(20))

    assert calls(simulator) == spent
    assert second == first


def test_a_snapshot_makes_no_calls(simulator: Simulator, start: Start) -> None:
    scraper = start(tracking("prod", simulator.url, newest(simulator, 5)))
    answer = scraper.snapshot()

    assert answer.accounts[0].up is None
    assert calls(simulator) == 0


def test_with_vod_answering_in_30_s_a_scrape_of_3_s_is_answered_in_time(simulator: Simulator, start: Start) -> None:
    scraper = start(tracking("prod", simulator.url, newest(simulator, 10)))
    scraper.scrape(Deadline.after(20))
    simulator.faults.add(Fault(kind="delay", seconds=30.0))
    simulator.clock.resume()
    timeout = scrape_timeout("3", offset=0.5, limit=10.0)
    assert timeout == 2.5
    answers: list[AccountSnapshot] = []

    def scrape() -> None:
        answers.append(scraper.scrape(Deadline.after(timeout)).accounts[0])

    fast = fastest(scrape, wanted=3.0)
    while answers[-1].up and len(answers) < 10:  # a request that is sent late has waited for too short a time
        scrape()
    account = answers[-1]
    assert 1.0 < fast < 3.0
    assert account.up is False
    assert "deadline" in account.last_error
    assert sum(account.view.task_counts.values()) == 10  # the data of the last refresh


@pytest.mark.parametrize("kind", ["drip", "drip-headers", "stall", "hang"])
def test_an_answer_that_drips_or_stalls_does_not_hold_the_scrape(simulator: Simulator, start: Start, kind: str) -> None:
    """After a request was sent, each scrape ends in time and knows that VOD does not answer."""
    simulator.faults.add(Fault(kind=kind))
    scraper = start(tracking("prod", simulator.url, newest(simulator, 3)))
    scraper.scrape(Deadline.after(0.1))
    wait_until(lambda: calls(simulator))
    up: list[bool | None] = []
    fast = fastest(lambda: up.append(scraper.scrape(Deadline.after(0.5)).accounts[0].up), wanted=1.0)

    assert fast < 1.0
    assert set(up) == {False}


@pytest.mark.parametrize("fault", [None, Fault(kind="hang"), Fault(kind="reset"), Fault(kind="code", code="Forbidden")])
def test_an_account_that_is_down_does_not_affect_the_other(
    simulators: Simulators, simulator: Simulator, start: Start, fault: Fault | None
) -> None:
    url = NOWHERE
    if fault is not None:
        other = simulators()
        other.faults.add(fault)
        url = other.url
    tasks = newest(simulator, 20)
    scraper = start(tracking("down", url, tasks), tracking("up", simulator.url, tasks))

    def both() -> tuple[AccountSnapshot, ...]:
        return scraper.scrape(Deadline.after(1.0)).accounts

    wait_until(lambda: sum(both()[1].view.task_counts.values()) == 20)
    wait_until(lambda: both()[0].up is not None)  # a request must have waited for some time
    down, up = both()
    assert (down.name, down.up, up.name, up.up) == ("down", False, "up", True)
    assert down.last_error
    assert (sum(down.view.task_counts.values()), sum(up.view.task_counts.values())) == (0, 20)
    assert up.last_error == ""


@pytest.mark.parametrize("seconds", [0.0, 60.0], ids=["refused", "no answer"])
def test_an_account_whose_name_does_not_resolve_is_down_in_time(
    simulator: Simulator, start: Start, monkeypatch: pytest.MonkeyPatch, release: threading.Event, seconds: float
) -> None:
    """The name server refuses the name, or does not answer."""
    real = socket.getaddrinfo

    def lookup(host: str, *rest: Any, **more: Any) -> Any:
        if host == "vod.invalid":
            release.wait(seconds)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    tasks = newest(simulator, 5)
    scraper = start(tracking("down", "http://vod.invalid", tasks), tracking("up", simulator.url, tasks))
    answers: list[tuple[AccountSnapshot, ...]] = []
    fast = fastest(lambda: answers.append(scraper.scrape(Deadline.after(3.0)).accounts), wanted=4.0)

    wait_until(lambda: [account.up for account in scraper.scrape(Deadline.after(1.0)).accounts] == [False, True])
    assert fast < 4.0


def test_two_accounts_may_have_the_same_ids(simulator: Simulator, start: Start) -> None:
    tasks = newest(simulator, 10)
    scraper = start(tracking("one", simulator.url, tasks), tracking("two", simulator.url, tasks))

    first, second = scraper.scrape(Deadline.after(20)).accounts
    assert {job.job.id for job in first.view.jobs} == {job.job.id for job in second.view.jobs}
    assert len({job.job.id for job in first.view.jobs}) == len(first.view.jobs) > 0


def test_accounts_are_refreshed_at_the_same_time(simulator: Simulator, start: Start) -> None:
    """VOD answers no call before each account has sent all that it may send at a time."""
    scraper = start(*(tracking(f"a{n}", simulator.url, newest(simulator, 8)) for n in range(6)))
    with ThreadPoolExecutor(1) as pool, held(simulator) as go:
        answer = pool.submit(scraper.scrape, Deadline.after(60))
        wait_until(lambda: calls(simulator) == 8 * 6)
        go.set()

    assert all(account.up for account in answer.result().accounts)


class Slow:
    """A fake account. The test ends its refreshes."""

    tracked_jobs = shown_jobs = 0

    def __init__(self, name: str = "slow") -> None:
        self.name = name
        self.refreshes: list[Future[None]] = []
        self.late_since: list[float] = []
        self.waits: Callable[[], None] = lambda: None

    def save_early(self) -> None:
        """Called again and again while a scrape waits."""
        self.waits()

    def refresh(self) -> Future[None]:
        self.refreshes.append(Future())
        return self.refreshes[-1]

    def late(self, since: float) -> None:
        self.late_since.append(since)

    def start_view(self) -> Future[LedgerView]:
        return Future()

    def finish_snapshot(self, taken: Future[LedgerView], deadline: Deadline) -> AccountSnapshot:  # noqa: ARG002
        return AccountSnapshot("slow", "", "")

    def close(self) -> None: ...


@pytest.fixture
def slow() -> Slow:
    return Slow()


def over(slow: Slow, *, min_interval: float = 0.0) -> Scraper:
    return Scraper([cast(Account, slow)], min_interval=min_interval)


def test_each_scrape_keeps_its_own_deadline_though_the_refresh_is_shared(slow: Slow) -> None:
    scraper = over(slow)
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(scraper.scrape, Deadline.after(20))
        while not slow.refreshes:
            time.sleep(0.005)
        started = time.monotonic()
        scraper.scrape(Deadline(started + 0.2))
        took = time.monotonic() - started
        waiting = not patient.done()
        slow.refreshes[0].set_result(None)

    assert len(slow.refreshes) == 1
    assert 0.1 < took < 10
    assert waiting


def test_a_scrape_starts_a_refresh_when_all_earlier_scrapes_were_answered(slow: Slow) -> None:
    scraper = over(slow)
    scraper.scrape(Deadline.after(0.05))
    scraper.scrape(Deadline.after(0.05))

    assert len(slow.refreshes) == 2


def test_a_scrape_within_the_interval_joins_the_running_refresh(slow: Slow) -> None:
    """A scrape with a short timeout starts a refresh, and a scrape with a longer one waits for it."""
    scraper = over(slow, min_interval=60.0)
    scraper.scrape(Deadline.after(0.05))
    started = time.monotonic()
    threading.Timer(0.2, slow.refreshes[0].set_result, [None]).start()
    scraper.scrape(Deadline(started + 20))

    assert len(slow.refreshes) == 1
    assert 0.2 <= time.monotonic() - started < 10


def test_an_account_is_late_for_scrapes_answered_before_its_refresh_ends(slow: Slow) -> None:
    scraper = over(slow)
    before = time.monotonic()
    scraper.scrape(Deadline.after(0.05))
    slow.refreshes[-1].set_result(None)
    scraper.scrape(Deadline.after(0.05))

    assert len(slow.late_since) == 2
    assert before <= slow.late_since[0] < slow.late_since[1]


def test_jobs_that_arrive_while_a_scrape_waits_make_its_answer_earlier(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: 100,000 jobs arrived in one scrape. No time was kept back for them, so it showed none of them."""
    now = 1000.0
    for module in ("deadline", "scrape.scraper"):
        monkeypatch.setattr(f"exporter.{module}.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr("exporter.scrape.scraper._STEP_SECONDS", 0.001)

    def second() -> None:
        nonlocal now
        now += 1.0
        if now == 1002.0:
            slow.tracked_jobs, slow.shown_jobs = 200_000, 50_000

    slow.waits = second
    over(slow).scrape(Deadline(1020.0), rendering=Reserve(100e-6))
    assert now == 1013.0  # 5 s for the rendering and 2 s for the view


def test_the_next_scrape_keeps_back_the_time_by_which_this_one_woke_up_late(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: with 25 busy processes, scrapes with a deadline of 3 s took up to 3.8 s."""
    now = 1000.0

    def waited(pending: set[Future[None]], timeout: float) -> tuple[set[Future[None]], set[Future[None]]]:
        nonlocal now
        now += timeout + 0.75
        return set(), pending

    for module in ("deadline", "scrape.scraper"):
        monkeypatch.setattr(f"exporter.{module}.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr("exporter.scrape.scraper._STEP_SECONDS", 60.0)
    monkeypatch.setattr("exporter.scrape.scraper.wait", waited)
    slow.start_view = done  # type: ignore[method-assign]
    scraper, ends = over(slow), []
    for _ in range(2):
        started = now
        scraper.scrape(Deadline(started + 10.0))
        ends.append(now - started)

    assert ends == [10.5, 10.0]


def done() -> Future[LedgerView]:
    future: Future[LedgerView] = Future()
    future.set_result(LedgerView())
    return future


def test_a_deadline_that_has_passed_is_answered_at_once(slow: Slow) -> None:
    started = time.monotonic()
    over(slow).scrape(Deadline.after(-5))

    assert time.monotonic() - started < 10


def test_a_scrape_of_one_account_does_not_ask_the_others(simulator: Simulator, start: Start) -> None:
    tasks = newest(simulator, 10)
    scraper = start(tracking("one", simulator.url, tasks), tracking("two", simulator.url, tasks))

    assert [account.name for account in scraper.scrape(Deadline.after(20), account="two").accounts] == ["two"]
    assert calls(simulator) == 10
    with pytest.raises(KeyError):
        scraper.scrape(Deadline.after(20), account="three")


def test_a_refresh_continues_after_the_answer_until_its_plan_is_done(simulator: Simulator, start: Start) -> None:
    scraper = start(tracking("prod", simulator.url, newest(simulator, 30)))

    def shown() -> AccountSnapshot:
        return scraper.snapshot().accounts[0]

    with held(simulator):
        answer = scraper.scrape(Deadline.after(0.5)).accounts[0]
        assert any(shown().pending_calls.values())
    wait_until(lambda: sum(shown().view.task_counts.values()) == 30)
    wait_until(lambda: not any(shown().pending_calls.values()))

    assert sum(answer.view.task_counts.values()) == 0
    assert shown().up is True
    assert calls(simulator) == 30


def test_an_account_that_replaces_another_is_asked_within_the_interval(slow: Slow) -> None:
    scraper, new = over(slow, min_interval=60.0), Slow()
    scraper.scrape(Deadline.after(0.05))
    scraper.replace([cast(Account, new)], min_interval=60.0)
    scraper.scrape(Deadline.after(0.05))
    scraper.scrape(Deadline.after(0.05))

    assert (len(slow.refreshes), len(new.refreshes)) == (1, 1)


class Asked(Slow):
    """Its refreshes end at once. It counts how often it was asked, and how many views are taken at the same time."""

    asked = views = most_views = 0

    @property
    def tracked_jobs(self) -> int:  # type: ignore[override]
        self.asked += 1
        return 0

    shown_jobs = tracked_jobs

    def refresh(self) -> Future[None]:
        done = super().refresh()
        done.set_result(None)
        return done

    def start_view(self) -> Future[LedgerView]:
        Asked.views += 1
        Asked.most_views = max(Asked.views, Asked.most_views)
        return Future()

    def finish_snapshot(self, taken: Future[LedgerView], deadline: Deadline) -> AccountSnapshot:
        Asked.views -= 1
        return super().finish_snapshot(taken, deadline)


def test_a_scrape_of_many_accounts_asks_each_as_often_as_one_of_few() -> None:
    """It asked all accounts for each account: a million times for a thousand. Each view took a thread."""

    def asked(count: int) -> int:
        accounts = [Asked(f"a{number}") for number in range(count)]
        snapshot = Scraper(cast(list[Account], accounts), min_interval=0.0).scrape(Deadline.after(60))
        assert len(snapshot.accounts) == count
        return max(account.asked for account in accounts)

    assert asked(3) == asked(300) > 0
    assert Asked.most_views == 64


def test_the_accounts_are_the_same_object_until_they_are_replaced(slow: Slow) -> None:
    """They were a new dictionary for each request."""
    scraper = over(slow)
    before = scraper.accounts
    assert before is scraper.accounts
    scraper.replace([cast(Account, slow)], min_interval=0)
    assert before is not scraper.accounts


def test_an_account_that_stays_keeps_its_refresh_when_others_are_replaced(slow: Slow) -> None:
    scraper, new = over(slow, min_interval=60.0), Slow("new")
    scraper.scrape(Deadline.after(0.05))
    scraper.replace([cast(Account, new), cast(Account, slow)], min_interval=60.0)
    scraper.scrape(Deadline.after(0.05))

    assert (len(slow.refreshes), len(new.refreshes)) == (1, 1)


def test_a_changed_interval_applies_at_once(slow: Slow) -> None:
    scraper = over(slow, min_interval=60.0)
    scraper.scrape(Deadline.after(0.05))
    scraper.replace([cast(Account, slow)], min_interval=0.0)
    scraper.scrape(Deadline.after(0.05))

    assert len(slow.refreshes) == 2


class SlowStore(MemoryStore):
    """A store whose saves hang for the account `slow` while `hangs` is set, until `goes_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = threading.Event()
        self.goes_on = threading.Event()

    def save(self, account: str, changes: Changes) -> None:
        if account == "slow" and self.hangs.is_set():
            self.goes_on.wait(30)
        super().save(account, changes)


def test_a_store_that_hangs_delays_no_answer_and_no_other_account(simulator: Simulator) -> None:
    store = SlowStore()
    accounts = tuple(tracking(name, simulator.url, newest(simulator, 20)) for name in ("slow", "other"))
    settings = config.Settings(accounts=accounts)
    telemetry = Telemetry()
    threads = Threads("account")
    parts = [wiring.account(one, settings, telemetry, Holding(store), threads) for one in accounts]
    with closing(Scraper(parts, min_interval=0.0)) as scraper:
        scraper.scrape(Deadline.after(20))
        store.hangs.set()
        simulator.clock.resume()
        answers = [scraper.scrape(Deadline.after(1.0)) for _ in range(2)]
        fast = fastest(lambda: answers.append(scraper.scrape(Deadline.after(1.0))), wanted=2.0)
        alone = fastest(lambda: scraper.scrape(Deadline.after(60), account="other"), wanted=5.0)
        store.goes_on.set()
        after = scraper.scrape(Deadline.after(20)).accounts[0]

    assert fast < 2.0
    assert alone < 5.0
    assert all(sum(answer.accounts[0].view.task_counts.values()) == 20 for answer in answers)
    assert {answer.accounts[1].view.durable for answer in answers} == {True}
    assert after.view.durable is True


def test_the_first_scrape_after_a_start_shows_the_state_and_does_not_wait_for_vod(simulator: Simulator) -> None:
    """The refresh follows. Scrapes at the same time do not wait either, but the next one does."""
    settings, store = config.Settings(accounts=(tracking("prod", simulator.url, newest(simulator, 5)),)), MemoryStore()
    with closing(wiring.scraper(settings, Telemetry(), store)) as before:
        known = before.scrape(Deadline.after(20)).accounts[0].view
    settings = settings.model_copy(update={"scrape": config.ScrapeSettings(min_interval=0.0)})
    with closing(wiring.scraper(settings, Telemetry(), store)) as scraper:
        scraper.show_state_first()
        with held(simulator) as go:
            first = [scraper.scrape(Deadline.after(60)).accounts[0] for _ in range(2)]
            go.set()
        wait_until(lambda: scraper.snapshot().accounts[0].up)
        after = scraper.scrape(Deadline.after(60)).accounts[0]

    assert {account.up for account in first} == {None}
    assert [account.view.job_counts for account in first] == [known.job_counts] * 2
    assert sum(known.job_counts.values()) > 0
    assert after.up is True


def test_the_first_scrape_without_a_state_waits_for_vod(simulator: Simulator, start: Start) -> None:
    scraper = start(tracking("prod", simulator.url, newest(simulator, 5)))
    scraper.show_state_first()

    assert scraper.scrape(Deadline.after(20)).accounts[0].up is True


def test_a_snapshot_of_one_account_says_nothing_of_the_others(start: Start) -> None:
    """Seen: each /probe said of all other accounts that this replica does not hold them."""
    alone = start(*(tracking(name, NOWHERE, []) for name in ("prod", "test")))
    shared = Scraper(tuple(alone.accounts.values()), min_interval=0.0, holdings=Shared(MemoryStore()))

    assert shared.scrape(Deadline.after(10), account="prod").elsewhere == {}
    assert shared.scrape(Deadline.after(10)).elsewhere == shared.snapshot().elsewhere == {"away": "b"}
