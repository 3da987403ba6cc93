"""`check-config --online` against simulators over HTTP: what is granted, what is not, and what ends the check."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporter import model
from exporter.command.permissions import OPTIONAL, Permission, permissions
from exporter.config import Account, AccountKeys, Billing, Discovery, ScrapeSettings, Settings, Track
from exporter.keys import Key
from exporter.simulator.answers import OPERATIONS
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.vod import sender
from exporter.vod.probes import PROBES

Simulators = Callable[..., Simulator]
FORBIDDEN = "User not authorized to operate on the specified resource."


def account(simulator: Simulator | str, *, secret: str = "simulator", name: str = "prod", **more: Any) -> Account:
    return Account(
        name=name,
        endpoint=simulator if isinstance(simulator, str) else simulator.url,
        credentials=AccountKeys(access_key_id=Key("simulator"), access_key_secret=Key(secret)),
        **more,
    )


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts take hundredths of a second."""
    monkeypatch.setattr(sender, "_BACKOFF_SECONDS", 0.01)


def ask(*accounts: Account, timeout: float = 60.0) -> list[list[Permission]]:
    settings = Settings(accounts=accounts, scrape=ScrapeSettings(timeout=timeout, offset=0.0))
    found = list(permissions(settings))
    assert [asked for asked, _ in found] == list(accounts)
    return [rows for _, rows in found]


def forbid(simulator: Simulator, *actions: str, code: str = "Forbidden.RAM") -> None:
    for action in actions:
        simulator.faults.add(Fault(kind="code", action=action, code=code, message=FORBIDDEN))


def test_each_operation_has_a_probe_that_the_simulator_answers() -> None:
    assert set(PROBES) == set(model.ACTIONS)
    assert set(model.ACTIONS) <= set(OPERATIONS)
    assert set(OPTIONAL) < set(model.ACTIONS)


def test_each_operation_is_called_once_and_granted(simulators: Simulators) -> None:
    simulator = simulators()
    assert ask(account(simulator)) == [[Permission(action, "granted") for action in model.ACTIONS]]
    assert simulator.quota.calls == dict.fromkeys(model.ACTIONS, 1)


def test_an_operation_that_is_not_granted_is_named_with_its_ram_action(simulators: Simulators) -> None:
    simulator = simulators()
    forbid(simulator, "GetVideoList")
    (rows,) = ask(account(simulator))
    assert [row.action for row in rows] == list(model.ACTIONS)
    assert [row for row in rows if row.text != "granted"] == [
        Permission(
            "GetVideoList",
            f"not granted: Forbidden.RAM: {FORBIDDEN} [RequestId {rows[-1].text.partition('RequestId ')[2][:36]}] "
            "(grant this RAM user or role the action vod:GetVideoList)",
            broken=True,
        )
    ]


@pytest.mark.parametrize("code", ["Forbidden", "Forbidden.RAM", "NoPermission", "InvalidAction.NotFound"])
def test_each_code_of_a_missing_permission_is_known(simulators: Simulators, code: str) -> None:
    simulator = simulators()
    forbid(simulator, "GetTranscodeTask", code=code)
    (rows,) = ask(account(simulator))
    assert [row.action for row in rows if row.broken] == ["GetTranscodeTask"]
    assert len(rows) == len(model.ACTIONS)


@pytest.mark.parametrize(
    "code", ["InvalidParameter", "InvalidParameter.VideoId", "MissingParameter", "InvalidVideo.NotFound"]
)
def test_an_error_about_the_id_comes_after_the_permission(simulators: Simulators, code: str) -> None:
    simulator = simulators()
    forbid(simulator, "ListTranscodeTask", code=code)
    assert ask(account(simulator)) == [[Permission(action, "granted") for action in model.ACTIONS]]


@pytest.mark.parametrize(
    ("track", "broken"),
    [
        (Track(discovery=Discovery(enabled=False)), set()),
        (Track(discovery=Discovery(enabled=False), videos=("v",)), {"ListTranscodeTask"}),
        (Track(), {"ListTranscodeTask", "GetVideoList"}),
    ],
)
def test_only_what_the_configuration_needs_is_broken(simulators: Simulators, track: Track, broken: set[str]) -> None:
    simulator = simulators()
    forbid(simulator, *(action for action in model.ACTIONS if action != "GetTranscodeTask"))
    (rows,) = ask(account(simulator, track=track))
    assert {row.action for row in rows if row.broken} == broken
    assert all(row.text.startswith("not granted") for row in rows if row.action != "GetTranscodeTask")


def test_an_operation_with_a_fallback_is_not_broken(simulators: Simulators) -> None:
    simulator = simulators()
    forbid(simulator, *OPTIONAL)
    (rows,) = ask(account(simulator))
    assert not any(row.broken for row in rows)
    assert [row.text.partition(":")[0] for row in rows if row.action in OPTIONAL] == [
        f"not granted ({cost})" for cost in OPTIONAL.values()
    ]


@pytest.mark.parametrize("refused", [False, True])
def test_usage_is_asked_about_if_the_configuration_needs_it(simulators: Simulators, refused: bool) -> None:
    simulator = simulators()
    if refused:
        forbid(simulator, "DescribeVodTranscodeData")
    asked = (account(simulator, region="cn-shanghai"), account(simulator, name="other", region="cn-beijing"))
    shanghai, beijing = (rows for _, rows in permissions(Settings(accounts=asked, billing=Billing(usage=True))))
    assert [row.action for row in shanghai] == [*model.ACTIONS, "DescribeVodTranscodeData"]
    assert [row.action for row in beijing] == list(model.ACTIONS)
    assert shanghai[-1].broken == refused
    assert shanghai[-1].text.startswith("not granted: Forbidden.RAM" if refused else "granted")


def test_refused_keys_end_the_check_of_their_account_only(simulators: Simulators) -> None:
    simulator = simulators()
    wrong, right = ask(account(simulator, secret="wrong"), account(simulator, name="other"))
    (row,) = wrong
    assert row.broken
    assert row.text.startswith("keys refused: SignatureDoesNotMatch: ")
    assert row.text.endswith(
        "(check access_key_secret: it does not belong to this access_key_id); nothing more was asked"
    )
    assert not any(row.broken for row in right)


def test_an_endpoint_without_a_server_is_named() -> None:
    ((row,),) = ask(account("http://127.0.0.1:1"))
    assert row.broken
    said = "no connection to 127.0.0.1: Connection refused; check endpoint and firewall"
    assert row.text == f"not reachable: {said}; nothing more was asked"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("OperationDenied", "account refused: OperationDenied: "),
        ("ServiceUnavailable", "not reachable: ServiceUnavailable: "),
        ("InvalidAccessKeyId.NotFound", "keys refused: InvalidAccessKeyId.NotFound: "),
    ],
)
def test_a_code_of_the_whole_account_ends_its_check(
    simulators: Simulators, short_pauses: None, code: str, outcome: str
) -> None:
    simulator = simulators()
    forbid(simulator, "GetTranscodeTask", code=code)
    ((row,),) = ask(account(simulator))
    assert row.broken
    assert row.text.startswith(outcome)


def test_missing_keys_are_named(simulators: Simulators, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    keys = AccountKeys(access_key_id=Key("simulator"), access_key_secret_file=Key(tmp_path / "secret"))
    asked = Account(name="prod", endpoint=simulators().url, credentials=keys)
    (tmp_path / "secret").unlink()
    ((row,),) = ask(asked)
    assert row.text.startswith(f"no keys: the key file '{tmp_path}/secret' cannot be read")


@pytest.mark.parametrize("fault", [Fault(kind="malformed", body="{}"), Fault(kind="html")])
def test_another_server_at_the_endpoint_is_not_taken_for_vod(simulators: Simulators, fault: Fault) -> None:
    simulator = simulators()
    simulator.faults.add(fault)
    ((row,),) = ask(account(simulator))
    assert row.broken
    assert "check the endpoint" in row.text


def test_a_throttled_operation_does_not_end_the_check(simulators: Simulators, short_pauses: None) -> None:
    simulator = simulators()
    forbid(simulator, "GetTranscodeTask", code="Throttling.User")
    (rows,) = ask(account(simulator))
    assert [(row.known, row.broken) for row in rows] == [(False, False), *[(True, False)] * (len(model.ACTIONS) - 1)]
    assert rows[0].text.startswith("throttled; not known: Throttling.User")
    assert simulator.quota.calls["GetTranscodeTask"] == 2


@pytest.mark.parametrize(("retry_after", "attempts"), [(None, 2), (1, 2), (3600, 1)], ids=["none", "second", "hour"])
def test_a_check_that_vod_throttles_makes_few_requests_and_waits(
    simulators: Simulators, retry_after: int | None, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It made 16 requests, and called the account broken."""
    monkeypatch.setattr("exporter.command.permissions._CALL_SECONDS", 60.0)
    simulator = simulators()
    simulator.faults.add(Fault(kind="code", code="Throttling.User", retry_after=retry_after))
    started = time.monotonic()
    (rows,) = ask(account(simulator), timeout=60.0)
    assert not any(row.known or row.broken for row in rows)
    assert [simulator.quota.calls[action] for action in model.ACTIONS] == [attempts, 1, 1, 1]
    assert time.monotonic() - started >= (1 if retry_after == 1 else 0)


def test_an_operation_that_is_throttled_for_a_moment_is_asked_about_again(simulators: Simulators) -> None:
    simulator = simulators()
    simulator.faults.add(Fault(kind="code", code="Throttling.User", count=1))
    assert ask(account(simulator)) == [[Permission(action, "granted") for action in model.ACTIONS]]


@pytest.mark.slow
def test_servers_that_do_not_answer_cost_one_call_each_at_the_same_time(simulators: Simulators, tmp_path: Path) -> None:
    simulator = simulators()
    simulator.faults.add(Fault(kind="hang"))
    started = time.monotonic()
    found = ask(*(account(simulator, name=f"a{number}") for number in range(6)), timeout=2.0)
    assert time.monotonic() - started < 2.0 * 6
    assert [[row.text for row in rows] for rows in found] == [
        ["not reachable: the answer was not complete before the deadline; nothing more was asked"]
    ] * 6
