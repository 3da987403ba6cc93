"""The running parts are made as the settings describe them."""

from __future__ import annotations

import contextlib
import hashlib
import math
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import requests

from exporter import config, wiring
from exporter.deadline import Deadline
from exporter.metrics.telemetry import Telemetry
from exporter.model import ACTIONS, Job, Output, Stream, Task
from exporter.scrape.threads import Threads
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.simulator.usage import by_hour
from exporter.snapshot import Total
from exporter.tracking.holdings import Holding
from exporter.tracking.store import MemoryStore
from exporter.vod.chain import ProviderChain
from exporter.vod.credentials import ConfiguredKeys
from exporter.web.listener import listen
from exporter.web.server import Server
from tests.conftest import Simulators, snapshot_of, wait_until

KEYS = "{access_key_id: simulator, access_key_secret: simulator}"


def load(folder: Path, text: str) -> config.Settings:
    path = folder / "exporter.yml"
    path.write_text(text)
    return config.load(path)


@pytest.mark.parametrize(
    ("credentials", "kind"),
    [
        ("", ProviderChain),
        ("credentials: {access_key_id: a, access_key_secret: b}", ConfiguredKeys),
        ("credentials: {access_key_id: a, access_key_secret: b, security_token: c}", ConfiguredKeys),
        ("credentials: {access_key_id: a, access_key_secret_file: secret}", ConfiguredKeys),
        ("credentials: {access_key_id: a, access_key_secret: b, security_token_file: secret}", ConfiguredKeys),
    ],
)
def test_configured_keys_are_used_else_the_provider_chain(tmp_path: Path, credentials: str, kind: type) -> None:
    (tmp_path / "secret").write_text("s")
    settings = load(tmp_path, f"accounts:\n  - name: prod\n    region: cn-shanghai\n    {credentials}\n")
    assert isinstance(wiring.credentials(settings.accounts[0]), kind)


def test_accounts_are_scraped_at_their_endpoints_for_their_tasks(tmp_path: Path, simulators: Simulators) -> None:
    first, second = simulators(seed=1, speed=0.001), simulators(seed=2, speed=0.001)
    ids = [simulator.world.tasks[0].id for simulator in (first, second)]
    settings = load(
        tmp_path,
        "accounts:\n"
        + "".join(
            f"  - name: {name}\n    endpoint: {simulator.url}\n"
            f"    track: {{tasks: ['{task_id}'], discovery: {{enabled: false}}}}\n"
            "    credentials: {access_key_id: simulator, access_key_secret: simulator}\n"
            for name, simulator, task_id in zip(("one", "two"), (first, second), ids, strict=True)
        ),
    )
    telemetry = Telemetry()
    with contextlib.closing(wiring.scraper(settings, telemetry, MemoryStore())) as scraper:
        accounts = scraper.scrape(Deadline.after(20)).accounts
    assert [(account.name, account.up, account.endpoint) for account in accounts] == [
        ("one", True, first.url),
        ("two", True, second.url),
    ]
    assert [[shown.task.id for shown in account.view.tasks] for account in accounts] == [[ids[0]], [ids[1]]]
    for name in ("one", "two"):
        labels = {"account": name, "action": "GetTranscodeTask"}
        assert (telemetry.registry.get_sample_value("vod_exporter_api_requests_total", labels) or 0) >= 1


def test_settings_of_series_reach_the_ledger(tmp_path: Path, simulators: Simulators) -> None:
    simulator = simulators(speed=0.001)
    task = max(simulator.world.tasks, key=lambda task: len(task.jobs))
    settings = load(
        tmp_path,
        f"accounts: [{{name: a, endpoint: '{simulator.url}',"
        f" track: {{tasks: ['{task.id}'], discovery: {{enabled: false}}}},"
        " credentials: {access_key_id: simulator, access_key_secret: simulator}}]\nseries: {max_jobs: 1}\n",
    )
    with contextlib.closing(wiring.scraper(settings, Telemetry(), MemoryStore())) as scraper:
        view = scraper.scrape(Deadline.after(20)).accounts[0].view
    assert (len(view.jobs), view.truncated_jobs) == (1, len(task.jobs) - 1)


def test_the_templates_of_the_configuration_decide_what_outputs_are_billed_as(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "accounts: [{name: a, region: cn-shanghai}]\nbilling: {templates: {plain: Segmentation}}\n",
    )
    output = Output(duration=60.0, width=1280, height=720, streams=(Stream("video", "0", "h264"),))
    jobs = tuple(Job(id_, "HD", "TranscodeSuccess", template_id=id_, output=output) for id_ in ("plain", "other"))
    account = wiring.account(settings.accounts[0], settings, Telemetry(), Holding(MemoryStore()), Threads("account"))
    with contextlib.closing(account):
        account._ledger.name("configuration", ["t"], source="tasks")
        account._ledger.observe_task("t", Task("t", status="CompleteAllSucc", jobs=jobs))
        counters = snapshot_of(account).view.totals.counters

    billed = {labels: seconds for (total, labels), seconds in counters.items() if total == Total.BILLED}
    assert billed == {("Segmentation",): 60.0, ("H264.SD",): 60.0}


USAGE = "DescribeVodTranscodeData"


def billing(folder: Path, simulator: Simulator, usage: str) -> config.Settings:
    account = f"name: a, region: cn-shanghai, endpoint: '{simulator.url}', credentials: {KEYS}"
    accounts = f"accounts: [{{{account}, requests_per_second: 100}}]"
    return load(folder, f"{accounts}\nscrape: {{min_interval: 0}}\nbilling: {{usage: {usage}}}\n")


def sample(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(name, {"account": "a", "action": USAGE, **labels})


def _billed(simulator: Simulator, now: float) -> Counter[str]:
    """What the simulator has billed in the window of this time."""
    world, end = simulator.world, int(now) // 3600 * 3600 - 2 * 3600
    hours = by_hour(world, world.advance(), start=end - 86_400, end=end - 1)
    return sum(hours.values(), Counter())


def test_the_usage_of_an_account_in_shanghai_is_what_vod_has_billed(tmp_path: Path, simulators: Simulators) -> None:
    simulator = simulators(history=10 * 3600.0, tasks=60, quota=math.inf)
    telemetry, before = Telemetry(), time.time()
    settings = billing(tmp_path, simulator, "true")
    with contextlib.closing(wiring.scraper(settings, telemetry, MemoryStore())) as scraper:
        assert sample(telemetry, "vod_exporter_api_requests_total") == 0
        scraper.scrape(Deadline.after(20))
        wait_until(lambda: scraper.snapshot().accounts[0].usage)
        (account,) = scraper.scrape(Deadline.after(20)).accounts

    assert account.usage in (_billed(simulator, before), _billed(simulator, time.time()))  # an hour may have closed
    assert account.budget.keys() == {*ACTIONS, USAGE}
    assert simulator.quota.calls[USAGE] == sample(telemetry, "vod_exporter_api_requests_total") == 1


def test_a_failure_of_the_usage_is_counted_and_leaves_the_account_up(tmp_path: Path, simulators: Simulators) -> None:
    simulator = simulators(history=10 * 3600.0, tasks=20, quota=math.inf)
    simulator.faults.add(Fault(kind="code", action=USAGE, code="Forbidden.RAM"))
    telemetry = Telemetry()
    settings = billing(tmp_path, simulator, "true")
    with contextlib.closing(wiring.scraper(settings, telemetry, MemoryStore())) as scraper:
        scraper.scrape(Deadline.after(20))
        wait_until(lambda: sample(telemetry, "vod_exporter_api_errors_total", code="Forbidden.RAM") == 1)
        accounts = [scraper.scrape(Deadline.after(20)).accounts[0] for _ in range(3)]

    assert [(account.up, account.usage, account.last_error) for account in accounts] == [(True, {}, "")] * 3


def test_without_usage_vod_is_not_asked_for_it(tmp_path: Path, simulators: Simulators) -> None:
    simulator = simulators(tasks=5, quota=math.inf)
    telemetry = Telemetry()
    settings = billing(tmp_path, simulator, "false")
    with contextlib.closing(wiring.scraper(settings, telemetry, MemoryStore())) as scraper:
        (account,) = scraper.scrape(Deadline.after(20)).accounts

    assert USAGE not in simulator.quota.calls
    assert account.budget.keys() == set(ACTIONS)
    assert sample(telemetry, "vod_exporter_api_requests_total") is None


def test_api_and_callbacks_use_the_present_keys_of_their_files(tmp_path: Path) -> None:
    """Rotated keys need no restart."""
    (tmp_path / "token").write_text("first-token-of-the-api")
    settings = load(
        tmp_path,
        "accounts:\n"
        "  - name: prod\n    region: cn-shanghai\n    credentials: {access_key_id: a, access_key_secret: b}\n"
        "    callback: {url: 'https://example.com/callback/prod', key: test123}\n"
        "api: {token_file: token}\nstate: {memory: true}\n",
    )
    telemetry = Telemetry()
    with contextlib.closing(wiring.scraper(settings, telemetry, wiring.store(settings.state, telemetry))) as scraper:
        listener = listen("127.0.0.1:0")
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = Server(wiring.interface(settings, scraper, telemetry).app(), [listener], timeout=1.0)
        serving = threading.Thread(target=server.serve_until_stopped)
        serving.start()
        token = {"Authorization": "Bearer first-token-of-the-api"}
        first = requests.get(f"{url}/api/v1/tasks", headers=token, timeout=10)
        (tmp_path / "token").write_text("second-token-of-the-api")
        again = requests.get(f"{url}/api/v1/tasks", headers=token, timeout=10)
        now = str(int(time.time()))
        signature = hashlib.md5(f"https://example.com/callback/prod|{now}|test123".encode()).hexdigest()
        event = requests.post(
            f"{url}/callback/prod",
            headers={"X-VOD-TIMESTAMP": now, "X-VOD-SIGNATURE": signature},
            json={"EventType": "StreamTranscodeComplete", "VideoId": "v", "JobId": "j", "Status": "success"},
            timeout=10,
        )
        server.stop()
        serving.join()

    assert (first.status_code, again.status_code, event.status_code) == (200, 401, 200)


def test_state_is_in_memory_or_in_the_file_named(tmp_path: Path) -> None:
    head = "accounts: [{name: a, region: cn-shanghai}]\n"
    for state, exists in (("memory: true", False), ("path: here.db", True)):
        wiring.store(load(tmp_path, f"{head}state: {{{state}}}\n").state, Telemetry()).close()

        assert (tmp_path / "here.db").exists() == exists
