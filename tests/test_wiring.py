"""The running parts are made as the settings describe them."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from pathlib import Path

import pytest
import requests

from exporter import config, wiring
from exporter.deadline import Deadline
from exporter.metrics.telemetry import Telemetry
from exporter.tracking.store import MemoryStore
from exporter.vod.chain import ProviderChain
from exporter.vod.credentials import ConfiguredKeys
from exporter.web.listener import listen
from exporter.web.server import Server
from tests.conftest import Simulators


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
    assert [(one.name, one.up, one.endpoint) for one in accounts] == [
        ("one", True, first.url),
        ("two", True, second.url),
    ]
    assert [[shown.task.id for shown in one.view.tasks] for one in accounts] == [[ids[0]], [ids[1]]]
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
    with contextlib.closing(wiring.scraper(settings, telemetry, wiring.store(settings.state))) as scraper:
        listener = listen("127.0.0.1:0")
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = Server(wiring.interface(settings, scraper, telemetry).app(), listener, timeout=1.0)
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
    in_file = wiring.store(load(tmp_path, head + "state: {path: here.db}\n").state)
    in_file.close()

    assert isinstance(wiring.store(load(tmp_path, head + "state: {memory: true}\n").state), MemoryStore)
    assert (tmp_path / "here.db").exists()
