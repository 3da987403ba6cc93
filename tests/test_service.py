"""A reload applies the changes of the file, and leaves everything else untouched."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from exporter import config, wiring
from exporter.deadline import Deadline
from exporter.errors import StateError
from exporter.scrape.account import Account
from exporter.service import Exporter
from exporter.simulator.server import Simulator
from exporter.snapshot import AccountSnapshot, Total
from exporter.tracking.sqlite import SqliteStore
from exporter.web.listener import listen, url
from exporter.web.server import Server
from tests.conftest import Simulators, WorldTime, held, wait_until

KEYS = "{access_key_id: simulator, access_key_secret: simulator}"
RATE = "    requests_per_second: 100\n"  # the default is ten, so that each scrape would wait for its turns
END = "scrape: {min_interval: 0s}\nstate: {path: state.db}\n"


@pytest.fixture
def simulator(simulators: Simulators) -> Simulator:
    made = simulators(quota=math.inf)
    made.clock.freeze()
    return made


class File:
    """A configuration of accounts that each watch these tasks of `simulator`."""

    def __init__(self, folder: Path, simulator: Simulator, tasks: Sequence[str]) -> None:
        self.path = folder / "exporter.yml"
        self._simulator = simulator
        self._tasks = list(tasks)

    def write(self, *names: str, more: str = "", end: str = END) -> None:
        """Write these accounts. `more` is added to the last account, `end` to the file."""
        accounts = [
            f"  - name: {name}\n    endpoint: {self._simulator.url}\n    credentials: {KEYS}\n"
            f"    track: {{tasks: {self._tasks}, discovery: {{enabled: false}}}}\n{RATE}"
            for name in names
        ]
        text = "accounts:\n" + "".join(accounts)
        self.path.write_text((text.removesuffix(RATE) if "requests_per_second" in more else text) + more + end)


@pytest.fixture
def file(tmp_path: Path, simulator: Simulator) -> File:
    """A configuration of tasks that have ended."""
    return File(tmp_path, simulator, [task.id for task in simulator.world.tasks[:5]])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Exporter]]:
    """Starts an exporter with the present file. It is closed after the test."""
    with ExitStack() as stack:

        def started() -> Exporter:
            load = partial(config.load, tmp_path / "exporter.yml")
            return stack.enter_context(closing(Exporter(load(), load)))

        yield started


def scraped(exporter: Exporter) -> dict[str, AccountSnapshot]:
    return {account.name: account for account in exporter.scraper.scrape(Deadline.after(20)).accounts}


def finished(account: AccountSnapshot) -> float:
    """How many tasks the totals count as finished."""
    return sum(value for (total, _), value in account.view.totals.counters.items() if total is Total.TASKS_FINISHED)


def calls(simulator: Simulator) -> int:
    return sum(simulator.quota.calls.values())


@pytest.fixture
def serve() -> Iterator[Callable[[Exporter], str]]:
    """Serves an exporter until the end of the test, and returns its URL."""
    with ExitStack() as stack:

        def served(exporter: Exporter) -> str:
            listener = listen("127.0.0.1:0")
            server = Server(exporter.interface.app(reload=exporter.reload), [listener], timeout=5.0)
            thread = threading.Thread(target=server.serve_until_stopped, daemon=True)
            thread.start()
            stack.callback(thread.join, 20)
            stack.callback(server.stop)
            return url(listener)

        yield served


def gauge(address: str, name: str) -> float:
    lines = requests.get(f"{address}/metrics", timeout=20).text.splitlines()
    return float(next(line.partition(" ")[2] for line in lines if line.startswith(f"vod_exporter_config_{name} ")))


def test_unchanged_accounts_continue_and_make_no_new_calls(
    file: File, simulator: Simulator, start: Callable[[], Exporter]
) -> None:
    """A new `callback` does not change its account, because the interface receives events."""
    file.write("one", "two")
    exporter = start()
    before, seen = exporter.scraper.accounts, scraped(exporter)
    spent = calls(simulator)
    file.write(
        *("one", "two"), more="    callback: {url: 'https://example.com/x', key: test123}\n", end=END + "\n# more\n"
    )

    assert exporter.reload() == []
    assert exporter.scraper.accounts == before
    after = scraped(exporter)
    assert calls(simulator) == spent
    assert [account.view for account in after.values()] == [account.view for account in seen.values()]


def test_accounts_are_added_and_removed_in_the_order_of_the_file(
    file: File, start: Callable[[], Exporter], serve: Callable[[Exporter], str]
) -> None:
    file.write("one", "two")
    exporter = start()
    address = serve(exporter)
    kept = exporter.scraper.accounts["two"]
    assert requests.get(f"{address}/probe?account=one", timeout=20).status_code == 200
    file.write("three", "two")

    assert exporter.reload() == []
    after = scraped(exporter)
    assert list(after) == ["three", "two"]
    assert exporter.scraper.accounts["two"] is kept
    assert after["three"].up is True
    groups = requests.get(f"{address}/sd", timeout=20).json()
    assert [group["labels"]["__param_account"] for group in groups] == ["three", "two"]
    answers = [requests.get(f"{address}/probe?account={name}", timeout=20) for name in ("one", "two", "three")]
    assert [answer.status_code for answer in answers] == [404, 200, 200]


@pytest.mark.parametrize(
    ("more", "end"),
    [
        ("    requests_per_second: 5\n", END),
        ("", END + "series: {max_jobs: 400}\n"),
        ("", END.replace("min_interval: 0s", "min_interval: 0s, timeout: 20s")),
        ("", END.replace("min_interval: 0s", "min_interval: 0s, concurrency: 2")),
    ],
    ids=["account", "series", "timeout", "concurrency"],
)
def test_a_changed_account_restarts_and_keeps_its_totals(
    file: File, start: Callable[[], Exporter], more: str, end: str
) -> None:
    file.write("one")
    exporter = start()
    old, before = exporter.scraper.accounts["one"], scraped(exporter)["one"]
    file.write("one", more=more, end=end)

    assert exporter.reload() == []
    after = scraped(exporter)["one"]
    assert exporter.scraper.accounts["one"] is not old
    assert [shown.task.id for shown in after.view.tasks] == [shown.task.id for shown in before.view.tasks]
    assert after.view.totals.counters == before.view.totals.counters
    assert after.view.durable


def test_each_finish_counts_once_before_and_after_a_reload(
    simulators: Simulators, tmp_path: Path, start: Callable[[], Exporter]
) -> None:
    """Some of the tasks end before the reload, the others after it."""
    world_time = WorldTime()
    simulator = simulators(speed=100.0, quota=math.inf, monotonic=world_time)
    simulator.clock.freeze()
    tasks = [task.id for task in simulator.world.tasks[-12:]]
    file = File(tmp_path, simulator, tasks)
    file.write("one")
    exporter = start()
    first = scraped(exporter)["one"]
    running = [shown.task for shown in first.view.tasks if not shown.task.finished]
    already = finished(first)  # a world that runs fast is a little ahead of the state
    now = world_time.now = time.monotonic()
    simulator.clock.resume()

    def until(count: int) -> float:
        """Move the world until `count` more finishes are counted, and return how many are."""
        nonlocal now
        for _ in range(1000):
            if (counted := finished(scraped(exporter)["one"])) >= count + already:
                break
            now = world_time.now = now + 0.1
        return counted - already

    before = until(2)
    file.write("one", more="    requests_per_second: 50\n")
    assert exporter.reload() == []
    assert len(running) >= 4
    assert 2 <= before < len(running)
    assert until(len(running)) == len(running)
    assert finished(scraped(exporter)["one"]) == already + len(running)


def test_a_file_with_faults_changes_only_the_metric_and_reports_all_faults(
    file: File, start: Callable[[], Exporter], serve: Callable[[Exporter], str], caplog: pytest.LogCaptureFixture
) -> None:
    file.write("one")
    exporter = start()
    address = serve(exporter)
    accounts, since = exporter.scraper.accounts, gauge(address, "last_reload_success_timestamp_seconds")
    assert gauge(address, "last_reload_successful") == 1
    file.write("one", end=END + "nonsense: 1\napi: {token: short}\n")

    faults = exporter.reload()
    assert [("nonsense" in fault, "api.token" in fault) for fault in faults] == [(True, False), (False, True)]
    assert exporter.scraper.accounts == accounts
    assert scraped(exporter)["one"].up is True
    assert gauge(address, "last_reload_successful") == 0
    assert gauge(address, "last_reload_success_timestamp_seconds") == since
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert vars(record)["faults"] == " | ".join(faults)

    file.write("one")
    assert exporter.reload() == []
    assert gauge(address, "last_reload_successful") == 1
    assert gauge(address, "last_reload_success_timestamp_seconds") > since


def test_a_missing_file_is_a_fault_and_changes_nothing(file: File, start: Callable[[], Exporter]) -> None:
    file.write("one")
    exporter = start()
    file.path.unlink()

    assert "exporter.yml" in exporter.reload()[0]
    assert scraped(exporter)["one"].up is True


def test_a_changed_state_applies_at_the_next_start(
    file: File, start: Callable[[], Exporter], caplog: pytest.LogCaptureFixture
) -> None:
    file.write("one")
    exporter = start()
    file.write("one", end=END.replace("state.db", "another.db"))

    assert exporter.reload() == []
    assert "restart the exporter to apply it" in caplog.text
    assert not (file.path.parent / "another.db").exists()


def test_changes_of_the_api_and_callbacks_take_effect(
    file: File, start: Callable[[], Exporter], serve: Callable[[Exporter], str]
) -> None:
    """The token of the API changes, and a callback is added and removed."""
    file.write("one")
    exporter = start()
    address = serve(exporter)

    def answers() -> tuple[int, int]:
        token = {"Authorization": "Bearer a-token-of-the-api"}
        listed = requests.get(f"{address}/api/v1/tasks", headers=token, timeout=20)
        return listed.status_code, requests.post(f"{address}/callback/one", data=b"{}", timeout=20).status_code

    assert answers() == (403, 403)
    callback = "    callback: {url: 'https://example.com/x', key: test123}\n"
    file.write("one", more=callback, end=END + "api: {token: a-token-of-the-api}\n")
    exporter.reload()
    assert answers() == (200, 401)
    assert exporter.interface.timeout == 10.0
    file.write("one", end=END.replace("min_interval: 0s", "min_interval: 0s, timeout: 20s"))
    exporter.reload()
    assert exporter.interface.timeout == 20.0
    file.write("one", end=END + "api: {token: another-token-of-the-api}\n")
    exporter.reload()
    assert answers() == (401, 403)
    file.write("one")
    exporter.reload()
    assert answers() == (403, 403)


def test_a_scrape_under_way_finishes_with_the_old_accounts(
    file: File, simulator: Simulator, start: Callable[[], Exporter]
) -> None:
    file.write("one")
    exporter = start()
    with ThreadPoolExecutor(1) as pool, held(simulator) as go:
        under_way = pool.submit(scraped, exporter)
        wait_until(lambda: calls(simulator))
        file.write("two")
        assert exporter.reload() == []
        go.set()
        assert list(under_way.result()) == ["one"]
    assert list(scraped(exporter)) == ["two"]


def test_an_account_that_was_removed_makes_no_further_calls(
    tmp_path: Path, simulator: Simulator, start: Callable[[], Exporter]
) -> None:
    """Its refresh was under way. When the account returns, the results of that refresh are there."""
    file = File(tmp_path, simulator, [task.id for task in simulator.world.tasks[:100]])
    file.write("one", more="    requests_per_second: 1\n")
    exporter = start()
    exporter.scraper.scrape(Deadline.after(0.2))

    def described() -> int:
        return sum(exporter.scraper.snapshot().accounts[0].view.task_counts.values())

    wait_until(lambda: described() == calls(simulator) > 0)  # so that no call is under way, for most of a second
    file.write("two", more="    requests_per_second: 1\n")
    assert exporter.reload() == []
    spent = calls(simulator)
    time.sleep(1.5)
    assert 0 < spent < 100
    assert calls(simulator) == spent

    file.write("one", more="    requests_per_second: 1\n")
    assert exporter.reload() == []
    assert described() == spent


def test_a_replaced_account_refuses_registrations(
    file: File, simulator: Simulator, start: Callable[[], Exporter]
) -> None:
    file.write("one")
    exporter = start()
    task = simulator.world.tasks[-1].id
    old = exporter.scraper.accounts["one"]
    file.write("one", more="    requests_per_second: 5\n")
    exporter.reload()
    new = exporter.scraper.accounts["one"]

    with pytest.raises(StateError):
        old.register([task])
    assert new.register([task]) == {task: True}


def test_an_account_that_cannot_restart_keeps_its_old_settings(
    file: File,
    simulator: Simulator,
    start: Callable[[], Exporter],
    serve: Callable[[Exporter], str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug of the exporter has the same effect. The other accounts get their new settings."""
    file.write("one", "two")
    exporter = start()
    address = serve(exporter)
    before = finished(scraped(exporter)["two"])
    file.write("three", "two", more="    requests_per_second: 5\n")
    make = wiring.account

    def breaks_on_new(settings: config.Account, *rest: Any) -> Account:
        if settings.requests_per_second == 5:
            raise TypeError("not like this")
        return make(settings, *rest)

    with monkeypatch.context() as broken:
        broken.setattr(wiring, "account", breaks_on_new)
        (fault,) = exporter.reload()
        answer = requests.post(f"{address}/-/reload", timeout=20)
    assert fault.startswith("account two keeps its old settings: a bug of the exporter")
    assert "TypeError" in fault
    assert (answer.status_code, answer.text) == (500, f"reload failed:\n{fault}\n")
    assert {vars(record)["faults"] for record in caplog.records if record.getMessage() == "reload failed"} == {fault}
    after = scraped(exporter)
    assert list(after) == ["three", "two"]
    assert finished(after["two"]) == before
    assert max(after["two"].budget.values()) > 5
    exporter.scraper.accounts["two"].register([simulator.world.tasks[-1].id])
    assert scraped(exporter)["two"].up is True
    assert gauge(address, "last_reload_successful") == 0

    assert exporter.reload() == []
    assert max(scraped(exporter)["two"].budget.values()) == 5
    assert gauge(address, "last_reload_successful") == 1


def test_an_account_whose_state_cannot_be_read_is_left_out_until_it_can(
    file: File, start: Callable[[], Exporter], serve: Callable[[Exporter], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write("one", "two")
    exporter = start()
    address = serve(exporter)
    before = finished(scraped(exporter)["two"])
    file.write("one", "two", more="    requests_per_second: 5\n")
    with monkeypatch.context() as broken:
        broken.setattr(SqliteStore, "load", refuse)
        assert exporter.reload() == ["account two is left out: the disk is gone"]
    assert list(scraped(exporter)) == ["one"]
    assert gauge(address, "last_reload_successful") == 0

    assert exporter.reload() == []
    assert finished(scraped(exporter)["two"]) == before
    assert gauge(address, "last_reload_successful") == 1


def test_an_account_that_fails_to_close_is_still_replaced(
    file: File, start: Callable[[], Exporter], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file.write("one", "two")
    exporter = start()
    file.write("one", "two", more="    requests_per_second: 5\n")
    old, close = exporter.scraper.accounts["two"], Account.close

    def stumble(account: Account) -> None:
        close(account)
        if account is old:
            raise RuntimeError("stumbled")

    with monkeypatch.context() as broken:
        broken.setattr(Account, "close", stumble)
        assert exporter.reload() == []
    assert max(scraped(exporter)["two"].budget.values()) == 5
    assert "bug while an account was closed" in caplog.text


def test_series_of_an_account_end_when_it_is_removed_and_return_with_it(
    file: File, start: Callable[[], Exporter], serve: Callable[[Exporter], str]
) -> None:
    """The metrics of the exporter about the account too."""
    file.write("one", "two")
    exporter = start()
    address = serve(exporter)

    def of_one() -> list[str]:
        return [line for line in requests.get(f"{address}/metrics", timeout=20).text.splitlines() if '"one"' in line]

    assert any(line.startswith("vod_exporter_api_requests_total") for line in of_one())
    old = exporter.scraper.accounts["one"]
    file.write("two")
    exporter.reload()
    old._client._sender._observer(action="GetTranscodeTask", seconds=1.0, error=None)  # a request that was under way
    assert of_one() == []
    file.write("one", "two")
    exporter.reload()
    assert any(line.startswith("vod_exporter_api_requests_total") for line in of_one())


def refuse(*_: object, **__: object) -> None:
    raise StateError("the disk is gone")


def test_a_bug_in_a_reload_is_reported_and_the_next_reload_works(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write("one")
    answers: list[Callable[[], config.Settings]] = [lambda: config.load(file.path), lambda: [][0]]
    with closing(Exporter(config.load(file.path), lambda: answers.pop()())) as exporter:
        assert "IndexError" in exporter.reload()[0]
        assert exporter.reload() == []


def test_reloads_run_one_at_a_time(file: File) -> None:
    file.write("one")
    under_way, most = [0], [0]
    lock = threading.Lock()

    def load() -> config.Settings:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.05)
        with lock:
            under_way[0] -= 1
        return config.load(file.path)

    with closing(Exporter(config.load(file.path), load)) as exporter, ThreadPoolExecutor(4) as pool:
        assert [future.result() for future in [pool.submit(exporter.reload) for _ in range(4)]] == [[]] * 4
    assert most == [1]


def test_a_closed_exporter_does_not_reload(file: File) -> None:
    file.write("one")
    exporter = Exporter(config.load(file.path), lambda: config.load(file.path))
    exporter.close()

    assert exporter.reload() == ["the exporter is stopping"]


def test_the_exposition_shows_the_new_account_after_a_reload(
    file: File, start: Callable[[], Exporter], serve: Callable[[Exporter], str]
) -> None:
    """The lines of the old account are not used for the new one."""
    file.write("one")
    exporter = start()
    address = serve(exporter)
    assert "vod_transcode_job_info{" in requests.get(f"{address}/metrics", timeout=20).text
    file.write("one", end=END + "series: {per_job: false}\n")
    exporter.reload()

    assert "vod_transcode_job_info{" not in requests.get(f"{address}/metrics", timeout=20).text


def test_a_reload_changes_the_prices_and_leaves_the_accounts_untouched(
    file: File, simulator: Simulator, start: Callable[[], Exporter], serve: Callable[[Exporter], str]
) -> None:
    def prices(address: str) -> list[str]:
        lines = requests.get(f"{address}/metrics", timeout=20).text.splitlines()
        return sorted(line for line in lines if line.startswith("vod_transcode_price_per_minute{"))

    file.write("one", end=END + "billing: {currency: USD, prices: {H264.HD: 0.0099, Audio: 0.0009}}\n")
    exporter = start()
    address, before = serve(exporter), exporter.scraper.accounts
    assert prices(address) == [
        'vod_transcode_price_per_minute{currency="USD",specification="Audio"} 0.0009',
        'vod_transcode_price_per_minute{currency="USD",specification="H264.HD"} 0.0099',
    ]
    spent = calls(simulator)
    file.write("one", end=END + "billing: {currency: CNY, prices: {H264.HD: 0.0651}}\n")
    exporter.reload()
    assert prices(address) == ['vod_transcode_price_per_minute{currency="CNY",specification="H264.HD"} 0.0651']
    assert exporter.scraper.accounts == before
    assert calls(simulator) == spent

    file.write("one", end=END + f"billing: {{templates: {{{simulator.world.tasks[0].id}: Segmentation}}}}\n")
    exporter.reload()
    assert prices(address) == []
    assert exporter.scraper.accounts != before


def test_a_reload_over_http_answers_with_the_faults(
    file: File, start: Callable[[], Exporter], serve: Callable[[Exporter], str]
) -> None:
    file.write("one")
    reload = f"{serve(start())}/-/reload"
    good = requests.post(reload, timeout=20)
    file.write("one", end=END + "nonsense: 1\napi: {token: short}\n")
    bad = requests.post(reload, timeout=20)

    assert good.status_code == 200
    assert (bad.status_code, bad.headers["Content-Type"]) == (500, "text/plain; charset=utf-8")
    assert "nonsense" in bad.text.splitlines()[1]
    assert "api.token" in bad.text.splitlines()[2]
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = requests.request(method, reload, timeout=20)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
