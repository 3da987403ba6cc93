"""The metrics about the exporter: those of the catalog, by account, and over reloads."""

from __future__ import annotations

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter import __version__
from exporter.errors import VodError
from exporter.metrics import catalog
from exporter.metrics.account_telemetry import AccountTelemetry
from exporter.metrics.catalog import COUNTED
from exporter.metrics.exposition import OPENMETRICS, TEXT
from exporter.metrics.rows import Row
from exporter.metrics.telemetry import Telemetry
from tests.metrics.conftest import errors, refused, value


def used() -> Telemetry:
    """Telemetry in which everything was counted once."""
    telemetry = Telemetry()
    account = telemetry.account("prod")
    account.called(action="GetTranscodeTask", seconds=0.3, error=refused("Throttling.User"))
    account.malformed(["Filesize"])
    account.dropped("not_found")
    account.hint_dropped()
    telemetry.rejected(path="/metrics", reason="503")
    return telemetry


def test_each_event_counts_once_under_its_labels() -> None:
    telemetry = used()

    assert value(telemetry, "vod_exporter_api_requests_total", account="prod", action="GetTranscodeTask") == 1
    assert errors(telemetry) == {"other": 0, "Throttling.User": 1}
    assert value(telemetry, "vod_exporter_malformed_fields_total", account="prod", field="Filesize") == 1
    assert value(telemetry, "vod_exporter_dropped_tasks_total", account="prod", reason="not_found") == 1
    assert value(telemetry, "vod_exporter_dropped_hints_total", account="prod") == 1
    assert value(telemetry, "vod_exporter_rejected_requests_total", path="/metrics", reason="503") == 1


def test_connections_are_counted_when_the_metrics_are_collected() -> None:
    telemetry, open_now = Telemetry(), {"active": 1, "idle": 2}
    telemetry.connections(open_now, lambda state: open_now[state])
    open_now["idle"] = 7

    counts = [value(telemetry, "vod_exporter_connections", state=state) for state in ("active", "idle")]
    assert counts == [1, 7]


def declared(metric: catalog.Metric) -> tuple[str, str, str, str]:
    """Only histograms tell their unit here: prometheus_client puts it before the `_total` of a counter's name."""
    return metric.family, metric.type, metric.unit if metric.type == "histogram" else "", metric.help


def test_registry_holds_what_the_catalog_declares_and_what_python_brings() -> None:
    """Names, types, units and helps, and not the `_created` series that prometheus_client adds to each counter."""
    families: list[Metric] = list(used().registry.collect())

    ours = [family for family in families if family.name.startswith("vod_")]
    own = [(family.name, family.type, family.unit, family.documentation) for family in ours]
    assert sorted(own) == sorted(declared(metric) for metric in COUNTED)
    assert {family.name.partition("_")[0] for family in families} == {"vod", "process", "python"}
    assert {"process_cpu_seconds", "python_info", "python_gc_collections"} <= {family.name for family in families}
    assert not [sample.name for family in families for sample in family.samples if sample.name.endswith("_created")]


def test_a_new_series_of_a_counter_is_zero_for_a_time_and_gauges_are_not_held() -> None:
    """Prometheus does not count the first value of a new series."""
    now = [0.0]
    telemetry = Telemetry(hold=150.0, monotonic=lambda: now[0])
    account = telemetry.account("prod")

    def shown(at: float) -> list[float | None]:
        now[0] = at
        labels = {"account": "prod", "action": "GetTranscodeTask"}
        values = {
            (sample.name, sample.labels.get("code")): sample.value
            for family in telemetry.registry.collect()
            for sample in family.samples
            if labels.items() <= sample.labels.items() and sample.labels.get("le") in (None, "+Inf")
        }
        names = ("vod_exporter_api_requests_total", "vod_exporter_api_request_duration_seconds_bucket")
        return [*(values.get((name, None)) for name in names), values.get(("vod_exporter_api_errors_total", "Bad"))]

    account.called(action="GetTranscodeTask", seconds=0.1, error=None)
    early = [shown(10.0), shown(159.0), shown(160.0)]
    account.called(action="GetTranscodeTask", seconds=0.1, error=VodError("refused", code="Bad"))
    late = [shown(161.0), shown(310.0), shown(311.0)]
    telemetry.keep([])
    telemetry.account("prod").called(action="GetTranscodeTask", seconds=0.1, error=None)

    assert early == [[0.0, 0.0, None], [0.0, 0.0, None], [1.0, 1.0, None]]
    assert late == [[2.0, 2.0, 0.0], [2.0, 2.0, 0.0], [2.0, 2.0, 1.0]]
    assert shown(312.0)[:2] == [0.0, 0.0]  # the series of an account that comes back are new ones
    assert telemetry.registry.get_sample_value("vod_exporter_config_last_reload_successful") == 1


def test_labels_are_those_of_the_catalog() -> None:
    """Beside `le`, which histograms have."""
    labels = {metric.family: set(metric.labels) for metric in COUNTED}

    for family in used().registry.collect():
        for sample in family.samples if family.name in labels else ():
            assert labels[family.name] == set(sample.labels) - {"le"}


def test_registry_is_read_by_both_parsers() -> None:
    registry = used().registry

    assert list(parse_text(TEXT.encode(registry).decode()))
    assert list(parse_openmetrics(OPENMETRICS.encode(registry).decode()))  # type: ignore[no-untyped-call]


def test_build_info_is_a_gauge_with_the_version() -> None:
    build = [family for family in Telemetry().registry.collect() if family.name == "vod_exporter_build_info"]

    assert [family.type for family in build] == ["gauge"]
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

    assert sorted(family.name for family in view) == sorted(
        metric.family for metric in COUNTED if "account" in metric.labels
    )
    assert {sample.labels["account"] for family in view for sample in family.samples} == {"prod"}
    whole = [sample for family in telemetry.registry.collect() for sample in family.samples]
    assert [sample for family in view for sample in family.samples] == [
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


def test_a_view_reads_the_counts_of_its_account_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many accounts there are. All of them were collected for each probe."""
    telemetry, read = Telemetry(), list[AccountTelemetry]()
    accounts = [telemetry.account(f"account-{number}") for number in range(50)]
    rows = AccountTelemetry.rows

    def noted(account: AccountTelemetry) -> list[Row]:
        read.append(account)
        return rows(account)

    monkeypatch.setattr(AccountTelemetry, "rows", noted)
    assert list(telemetry.of_account("account-7").rows())
    assert read == [accounts[7]]


def test_view_of_an_account_to_which_nothing_happened_is_read_by_both_parsers() -> None:
    """It is heads without samples."""
    view = Telemetry().of_account("prod")

    families = list(parse_text(TEXT.encode(view).decode()))
    assert families
    assert not [sample for family in families for sample in family.samples]
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


def test_an_account_that_has_left_has_no_series_and_gets_none() -> None:
    """Though its last requests and events still end; and it counts from zero where it comes back."""
    telemetry = used()
    telemetry.account("other")
    old = telemetry.account("prod")
    telemetry.event("prod", "StreamTranscodeComplete")

    def named(account: str) -> set[str]:
        samples = [sample for family in telemetry.registry.collect() for sample in family.samples]
        return {sample.name for sample in samples if sample.labels.get("account") == account}

    assert len(named("prod")) > len(named("other")) > 0
    telemetry.keep(["other"])
    old.called(action="GetTranscodeTask", seconds=0.3, error=refused("Throttling.User"))
    old.malformed(["Fps"])
    old.dropped("deleted")
    old.hint_dropped()
    telemetry.event("prod", "StreamTranscodeComplete")
    telemetry.malformed("prod", ["Fps"])
    assert named("prod") == set()
    assert named("other")

    assert telemetry.account("prod") is not old
    assert named("prod") == named("other")
    telemetry.event("prod", "StreamTranscodeComplete")
    assert value(telemetry, "vod_exporter_events_total", account="prod", event="StreamTranscodeComplete") == 1
