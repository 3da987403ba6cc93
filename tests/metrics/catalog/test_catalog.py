"""Rules for all metrics of the catalog. The contract of each group is tested in a file of its own."""

from __future__ import annotations

import re
from operator import attrgetter

from exporter.config import HOLD_SECONDS
from exporter.metrics import catalog
from exporter.metrics.catalog import CATALOG, COLLECTED, Metric

# Where a help text of a domain metric has to say which field the figure is from.
FIELDS = re.compile(
    r"\b(TranscodeTaskId|VideoId|TranscodeTemplateId|TranscodeTemplateGroupId|Priority|Trigger|TaskStatus"
    r"|TranscodeJobStatus|ErrorCode|StartTime|FinishTime|TranscodeProgress|CreationTime|CompleteTime|Definition|Format|Encryption|CodecName"
    r"|OutputFile\.(Bitrate|Filesize|Duration|Fps|Width|Height)|VideoStreamList|AudioStreamList|Total)\b"
)


def test_every_declared_metric_is_in_the_catalog_once() -> None:
    declared = [value for value in vars(catalog).values() if isinstance(value, Metric)]

    assert sorted(CATALOG, key=attrgetter("name")) == sorted(declared, key=attrgetter("name"))


def test_suffix_says_the_type_and_no_metric_has_the_type_info() -> None:
    """`_total` stands on counters. Readers of OpenMetrics rename the type info, so `_info` is a gauge."""
    for metric in CATALOG:
        assert metric.name.endswith("_total") == (metric.type == "counter")
        assert metric.type in ("gauge", "counter", "histogram")


def test_help_is_one_sentence() -> None:
    for metric in CATALOG:
        assert re.fullmatch(r"[A-Z1][^\n]*\.", metric.help)
        assert not re.search(r"\. [A-Z]", metric.help)
        assert len(metric.description) <= 120


def test_help_of_a_domain_metric_names_the_field_it_is_from() -> None:
    domain = [metric for metric in COLLECTED if metric.name.startswith("vod_transcode_")]

    assert [metric.name for metric in domain if not FIELDS.search(metric.help)] == []


def test_help_of_a_bitrate_says_that_it_was_multiplied() -> None:
    for metric in CATALOG:
        if "bits_per_second" in metric.name:
            assert "Kbit/s, multiplied by 1000" in metric.help


def test_help_of_a_counter_says_that_a_new_series_starts_at_zero() -> None:
    assert HOLD_SECONDS == 150
    for metric in CATALOG:
        counted = metric.type in ("counter", "histogram")
        assert metric.help.endswith("; a new series starts at 0 for 2.5 minutes.") == counted
        assert metric.help.startswith(metric.description[:-1])


def test_addresses_and_messages_are_no_labels() -> None:
    labels = {label for metric in CATALOG for label in metric.labels}

    assert {label for label in labels if re.search("url|message|address", label)} == set()


def test_labels_are_legal_and_unique() -> None:
    """`le` and `quantile` belong to histograms and summaries, `job` and `instance` to Prometheus."""
    for metric in CATALOG:
        assert all(re.fullmatch("[a-z][a-z_]*", label) for label in metric.labels)
        assert len(set(metric.labels)) == len(metric.labels)
        assert not {"le", "quantile", "job", "instance"} & set(metric.labels)
