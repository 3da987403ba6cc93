"""The exporter counts itself rightly: zeros first, bounded labels, no count lost between threads."""

from __future__ import annotations

import contextlib
import threading

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter import __version__
from exporter.errors import VodError
from exporter.metrics import catalog
from exporter.metrics.catalog import COUNTED
from exporter.metrics.exposition import OPENMETRICS, TEXT
from exporter.metrics.telemetry import Telemetry

ACTIONS = ("GetTranscodeTask", "ListTranscodeTask")


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(name, labels)


def errors(telemetry: Telemetry, account: str = "prod") -> dict[str, float]:
    """Errors of GetTranscodeTask by code."""
    return {
        sample.labels["code"]: sample.value
        for family in telemetry.registry.collect()
        for sample in family.samples
        if sample.name == "vod_exporter_api_errors_total"
        and (sample.labels["account"], sample.labels["action"]) == (account, ACTIONS[0])
    }


def refused(code: str) -> VodError:
    return VodError("refused", code=code)


def used() -> Telemetry:
    """Telemetry in which everything was counted once."""
    telemetry = Telemetry()
    account = telemetry.account("prod")
    account.called(action="GetTranscodeTask", seconds=0.3, error=refused("Throttling.User"))
    account.malformed(["Filesize"])
    account.dropped("not_found")
    telemetry.rejected(path="/metrics", reason="503")
    return telemetry


@pytest.mark.parametrize("action", ACTIONS)
def test_zeros_are_there_before_the_first_call(action: str) -> None:
    """An increase from nothing is none to Prometheus."""
    telemetry = Telemetry()
    telemetry.account("prod")

    assert value(telemetry, "vod_exporter_api_requests_total", account="prod", action=action) == 0
    assert value(telemetry, "vod_exporter_api_errors_total", account="prod", action=action, code="other") == 0
    assert value(telemetry, "vod_exporter_api_request_duration_seconds_count", account="prod", action=action) == 0
    assert value(telemetry, "vod_exporter_dropped_tasks_total", account="prod", reason="not_found") == 0


def test_each_event_counts_once_under_its_labels() -> None:
    telemetry = used()

    assert value(telemetry, "vod_exporter_api_requests_total", account="prod", action="GetTranscodeTask") == 1
    assert errors(telemetry) == {"other": 0, "Throttling.User": 1}
    assert value(telemetry, "vod_exporter_malformed_fields_total", account="prod", field="Filesize") == 1
    assert value(telemetry, "vod_exporter_dropped_tasks_total", account="prod", reason="not_found") == 1
    assert value(telemetry, "vod_exporter_rejected_requests_total", path="/metrics", reason="503") == 1


def test_success_is_no_error() -> None:
    telemetry = Telemetry()
    telemetry.account("prod").called(action="GetTranscodeTask", seconds=0.3, error=None)

    assert errors(telemetry) == {"other": 0}
    assert value(telemetry, "vod_exporter_api_requests_total", account="prod", action="GetTranscodeTask") == 1


def test_duration_of_a_call_falls_into_its_bucket() -> None:
    telemetry = used()

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


def declared(metric: catalog.Metric) -> tuple[str, str, str, str]:
    """Only histograms tell their unit here: prometheus_client puts it before the `_total` of a counter's name."""
    return metric.family, metric.type, metric.unit if metric.type == "histogram" else "", metric.help


def test_registry_holds_what_the_catalog_declares_and_what_python_brings() -> None:
    """Names, types, units and helps, and not the `_created` series that prometheus_client adds to each counter."""
    families: list[Metric] = list(used().registry.collect())

    own = [(one.name, one.type, one.unit, one.documentation) for one in families if one.name.startswith("vod_")]
    assert sorted(own) == sorted(declared(metric) for metric in COUNTED)
    assert {one.name.partition("_")[0] for one in families} == {"vod", "process", "python"}
    assert {"process_cpu_seconds", "python_info", "python_gc_collections"} <= {one.name for one in families}
    assert not [sample.name for one in families for sample in one.samples if sample.name.endswith("_created")]


def test_labels_are_those_of_the_catalog() -> None:
    """Beside `le`, which histograms have."""
    labels = {one.family: set(one.labels) for one in COUNTED}

    for family in used().registry.collect():
        for sample in family.samples if family.name in labels else ():
            assert labels[family.name] == set(sample.labels) - {"le"}


def test_registry_is_read_by_both_parsers() -> None:
    registry = used().registry

    assert list(parse_text(TEXT.encode(registry).decode()))
    assert list(parse_openmetrics(OPENMETRICS.encode(registry).decode()))  # type: ignore[no-untyped-call]


def test_build_info_has_the_version() -> None:
    build = [family for family in Telemetry().registry.collect() if family.name == "vod_exporter_build"]

    assert [sample.labels["version"] for family in build for sample in family.samples] == [__version__]


def test_two_exporters_in_one_process_do_not_share_counts() -> None:
    first, second = Telemetry(), Telemetry()
    first.rejected(path="/", reason="405")

    assert value(first, "vod_exporter_rejected_requests_total", path="/", reason="405") == 1
    assert value(second, "vod_exporter_rejected_requests_total", path="/", reason="405") is None


def test_view_of_an_account_has_its_own_samples_and_nothing_without_an_account() -> None:
    """Of every metric that has an account, as the whole has them."""
    telemetry = used()
    telemetry.account("other").called(action="GetTranscodeTask", seconds=0.1, error=refused("Code1"))
    telemetry.event("other", "TranscodeComplete")
    view = list(telemetry.of_account("prod").collect())

    assert sorted(one.name for one in view) == sorted(one.family for one in COUNTED if "account" in one.labels)
    assert {sample.labels["account"] for one in view for sample in one.samples} == {"prod"}
    whole = [sample for one in telemetry.registry.collect() for sample in one.samples]
    assert [sample for one in view for sample in one.samples] == [
        sample for sample in whole if sample.labels.get("account") == "prod"
    ]


def test_views_of_accounts_take_nothing_from_each_other_or_the_whole() -> None:
    telemetry = used()
    telemetry.account("other")
    before = TEXT.encode(telemetry.registry).count(b'account="')
    views = [telemetry.of_account(name) for name in ("prod", "other", "nobody")]
    counts = [[TEXT.encode(view).count(b'account="') for view in views] for _ in range(2)]

    assert counts[0] == counts[1]
    assert sum(counts[0]) == before
    assert counts[0][2] == 0


def test_view_of_an_account_to_which_nothing_happened_is_read_by_both_parsers() -> None:
    """It is heads without samples."""
    view = Telemetry().of_account("prod")

    families = list(parse_text(TEXT.encode(view).decode()))
    assert families
    assert not [sample for one in families for sample in one.samples]
    assert list(parse_openmetrics(OPENMETRICS.encode(view).decode()))  # type: ignore[no-untyped-call]


def test_reload_metrics_show_its_success_and_the_time_of_the_last_success() -> None:
    """From the start on, which loads the configuration too."""
    now = [100.0]
    telemetry = Telemetry(clock=lambda: now[0])

    def reload_metrics() -> tuple[float | None, float | None]:
        prefix = "vod_exporter_config_last_reload_success"
        return value(telemetry, f"{prefix}ful"), value(telemetry, f"{prefix}_timestamp_seconds")

    assert reload_metrics() == (1, 100.0)
    now[0] = 200.0
    telemetry.reloaded(successful=False)
    assert reload_metrics() == (0, 100.0)
    now[0] = 300.0
    telemetry.reloaded(successful=True)
    assert reload_metrics() == (1, 300.0)


def test_reloaded_account_keeps_its_counts_and_its_limit_on_codes() -> None:
    telemetry = Telemetry()
    for number in range(80):
        telemetry.account("prod").called(action="GetTranscodeTask", seconds=0.1, error=refused(f"Code{number}"))

    assert len(errors(telemetry)) == 51
    assert sum(errors(telemetry).values()) == 80


def test_an_account_that_has_left_has_no_series_and_gets_none() -> None:
    """Though its last requests and events still end; and it counts from zero where it comes back."""
    telemetry = used()
    telemetry.account("other")
    old = telemetry.account("prod")
    telemetry.event("prod", "StreamTranscodeComplete")

    def named(account: str) -> set[str]:
        families = telemetry.registry.collect()
        return {one.name for family in families for one in family.samples if one.labels.get("account") == account}

    assert len(named("prod")) > len(named("other")) > 0
    telemetry.keep(["other"])
    old.called(action="GetTranscodeTask", seconds=0.3, error=refused("Throttling.User"))
    old.malformed(["Fps"])
    old.dropped("deleted")
    telemetry.event("prod", "StreamTranscodeComplete")
    telemetry.malformed("prod", ["Fps"])
    assert named("prod") == set()
    assert named("other")

    assert telemetry.account("prod") is not old
    assert named("prod") == named("other")
    telemetry.event("prod", "StreamTranscodeComplete")
    assert value(telemetry, "vod_exporter_events_total", account="prod", event="StreamTranscodeComplete") == 1
