"""The counters of an account: zeros first, bounded error codes, no count lost between threads."""

from __future__ import annotations

import contextlib
import threading

import pytest

from exporter.metrics.telemetry import Telemetry
from tests.metrics.conftest import errors, refused, value

ACTIONS = ("GetTranscodeTask", "ListTranscodeTask")


@pytest.mark.parametrize("action", ACTIONS)
def test_zeros_are_there_before_the_first_call(action: str) -> None:
    """An increase from nothing is none to Prometheus."""
    telemetry = Telemetry()
    telemetry.account("prod")

    assert value(telemetry, "vod_exporter_api_requests_total", account="prod", action=action) == 0
    assert value(telemetry, "vod_exporter_api_errors_total", account="prod", action=action, code="other") == 0
    assert value(telemetry, "vod_exporter_api_request_duration_seconds_count", account="prod", action=action) == 0
    assert value(telemetry, "vod_exporter_dropped_tasks_total", account="prod", reason="not_found") == 0
    assert value(telemetry, "vod_exporter_dropped_hints_total", account="prod") == 0


def test_success_is_no_error() -> None:
    telemetry = Telemetry()
    telemetry.account("prod").called(action="GetTranscodeTask", seconds=0.3, error=None)

    assert errors(telemetry) == {"other": 0}
    assert value(telemetry, "vod_exporter_api_requests_total", account="prod", action="GetTranscodeTask") == 1


def test_duration_of_a_call_falls_into_its_bucket() -> None:
    telemetry = Telemetry()
    telemetry.account("prod").called(action="GetTranscodeTask", seconds=0.3, error=None)

    def bucket(upper: str) -> float | None:
        name = "vod_exporter_api_request_duration_seconds_bucket"
        return value(telemetry, name, account="prod", action="GetTranscodeTask", le=upper)

    name = "vod_exporter_api_request_duration_seconds_sum"
    assert (bucket("0.25"), bucket("0.5"), bucket("+Inf")) == (0, 1, 1)
    assert value(telemetry, name, account="prod", action="GetTranscodeTask") == 0.3


def test_a_field_malformed_twice_counts_twice() -> None:
    telemetry = Telemetry()
    telemetry.account("prod").malformed(["Fps", "Fps", "Width"])

    assert value(telemetry, "vod_exporter_malformed_fields_total", account="prod", field="Fps") == 2
    assert value(telemetry, "vod_exporter_malformed_fields_total", account="prod", field="Width") == 1


def test_error_codes_past_fifty_count_as_other() -> None:
    """The service may invent codes without end; series must not follow."""
    telemetry = Telemetry()
    account = telemetry.account("prod")
    for number in range(80):
        account.called(action="GetTranscodeTask", seconds=0.1, error=refused(f"Code{number}"))
    account.called(action="GetTranscodeTask", seconds=0.1, error=refused("Code7"))

    counted = errors(telemetry)
    assert len(counted) == 51
    assert counted["other"] == 30
    assert counted["Code7"] == 2
    assert counted["Code49"] == 1
    assert sum(counted.values()) == 81


def test_error_codes_of_one_account_do_not_crowd_out_anothers() -> None:
    telemetry = Telemetry()
    noisy, quiet = telemetry.account("noisy"), telemetry.account("quiet")
    for number in range(80):
        noisy.called(action="GetTranscodeTask", seconds=0.1, error=refused(f"Code{number}"))
    quiet.called(action="GetTranscodeTask", seconds=0.1, error=refused("Throttling"))

    assert errors(telemetry, "quiet") == {"other": 0, "Throttling": 1}


def test_no_count_is_lost_between_threads() -> None:
    """A refresh calls from several threads, and codes are new to several of them at once."""
    telemetry = Telemetry()
    account = telemetry.account("prod")
    together = threading.Barrier(8)

    def work() -> None:
        together.wait(10)
        for number in range(500):
            account.called(action="GetTranscodeTask", seconds=0.1, error=refused(f"Code{number % 70}"))
            account.malformed(["Fps"])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert value(telemetry, "vod_exporter_api_requests_total", account="prod", action="GetTranscodeTask") == 4000
    assert value(telemetry, "vod_exporter_malformed_fields_total", account="prod", field="Fps") == 4000
    assert len(errors(telemetry)) == 51
    assert sum(errors(telemetry).values()) == 4000


class MeetingCode(str):
    """Its hash waits for the other thread's, so that two codes are looked up at the same moment if they can be."""

    __slots__ = ()
    meeting = threading.Barrier(2)

    def __hash__(self) -> int:
        with contextlib.suppress(threading.BrokenBarrierError):
            self.meeting.wait(0.2)
        return super().__hash__()


def test_two_codes_at_once_do_not_both_take_the_last_place() -> None:
    telemetry = Telemetry()
    account = telemetry.account("prod")
    for number in range(49):
        account.called(action="GetTranscodeTask", seconds=0.1, error=refused(f"Code{number}"))

    def call(code: str) -> None:
        account.called(action="GetTranscodeTask", seconds=0.1, error=refused(code))

    threads = [threading.Thread(target=call, args=(MeetingCode(code),)) for code in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(errors(telemetry)) == 51
    assert errors(telemetry)["other"] == 1


def test_reloaded_account_keeps_its_counts_and_its_limit_on_codes() -> None:
    telemetry = Telemetry()
    for number in range(80):
        telemetry.account("prod").called(action="GetTranscodeTask", seconds=0.1, error=refused(f"Code{number}"))

    assert len(errors(telemetry)) == 51
    assert sum(errors(telemetry).values()) == 80
