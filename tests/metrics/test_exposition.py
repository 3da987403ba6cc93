"""Clients get the format and the encoding that they asked for, whatever they ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge

from exporter.metrics.exposition import (
    OPENMETRICS,
    TEXT,
    Together,
    accepts_gzip,
    choose_format,
)

OM = "application/openmetrics-text"
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

# Accept headers as these programs send them.
PROMETHEUS_2_42 = f"{OM};version=1.0.0,{OM};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROMETHEUS_2_53 = f"{OM};version=1.0.0;q=0.5,{OM};version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
PROMETHEUS_3 = (
    f"{OM};version=1.0.0;escaping=allow-utf-8;q=0.6,{OM};version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_NATIVE_HISTOGRAMS = (
    f"{PROTOBUF};q=0.6,{OM};version=1.0.0;escaping=allow-utf-8;q=0.5,{OM};version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
PROMETHEUS_3_TEXT_FIRST = (
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,"
    f"{OM};version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.3"
)
PROMETHEUS_2_20 = f"{OM}; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CHROMIUM = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)


@pytest.mark.parametrize(
    "accept",
    [
        pytest.param(PROMETHEUS_2_42, id="Prometheus 2.42"),
        pytest.param(PROMETHEUS_2_53, id="Prometheus 2.53"),
        pytest.param(PROMETHEUS_3, id="Prometheus 3"),
        pytest.param(PROMETHEUS_3_NATIVE_HISTOGRAMS, id="Prometheus 3, native histograms"),
        OM,
        f"{OM};version=1.0.0",
        f"{OM}; version=1.0.0; charset=utf-8",
        f'{OM};version="1.0.0"',
        f"{OM.upper()};VERSION=1.0.0",
        f" {OM} ; version = 1.0.0 ; q = 0.3 ",
        f"text/plain;q=0.4, {OM};q=0.5",
        f"text/plain, {OM}",
        f"{OM};q=0.5, text/html",
        f"{OM};version=2.0.0, {OM};version=1.0.0;q=0.1",
        f"{OM};q=0.001",
    ],
)
def test_clients_that_prefer_openmetrics_or_rank_it_equal_get_it(accept: str) -> None:
    assert choose_format(accept) is OPENMETRICS


@pytest.mark.parametrize(
    "accept",
    [
        "",
        pytest.param("*/*", id="curl"),
        pytest.param(FIREFOX, id="Firefox"),
        pytest.param(CHROMIUM, id="Chromium"),
        pytest.param(PROMETHEUS_3_TEXT_FIRST, id="Prometheus 3, text first"),
        pytest.param(PROMETHEUS_2_20, id="Prometheus 2.20, before OpenMetrics 1.0"),
        "text/plain",
        "text/plain;version=0.0.4",
        "text/*",
        "application/json",
        PROTOBUF,
        f"{OM};q=0",
        f"{OM};q=0.0, */*",
        f"{OM};q=0.4, text/plain;q=0.5",
        f"{OM};q=0.4, */*;q=0.5",
        f"{OM};version=0.0.1",
        f"{OM};version=2.0.0",
        f"{OM};version=1",
        f"{OM};VERSION=2.0.0",
        f"{OM};Q=0",
        f"{OM};version=",
        f"{OM};q=high",
        f"{OM};q=",
        f"{OM};q=nan",
        f"{OM};q=-1",
        f"{OM}x",
        ";;;,,,==;q",
        "\x00\udcff",
    ],
)
def test_other_clients_get_plain_text(accept: str) -> None:
    """Never a refusal: text 0.0.4 is what everything reads."""
    assert choose_format(accept) is TEXT


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("gzip", id="Prometheus"),
        pytest.param("gzip, deflate, br, zstd", id="browsers"),
        "deflate, gzip;q=1.0, *;q=0.5",
        "GZIP",
        "gzip;q=0.001",
        "*",
        "*;q=0.5",
        "identity;q=0, *",
        "br;q=1, gzip ; q = 0.2",
        "identity;q=0.5, gzip;q=0.5",
    ],
)
def test_clients_that_accept_gzip_get_it(header: str) -> None:
    assert accepts_gzip(header)


def test_clients_that_do_not_accept_gzip_get_none() -> None:
    for header in [
        "",
        "identity",
        "identity;q=1, gzip;q=0.5",
        "gzip;q=0.5, *",
        "br, deflate",
        "gzip;q=0",
        "gzip;q=0.000",
        "gzip;q=0, *",
        "*, gzip;q=0",
        "*;q=0",
        "gzip;q=no",
        "gzip;q=nan",
        "gzipped",
        ",;=",
    ]:
        assert not accepts_gzip(header)


@given(st.text())
def test_any_header_is_answered(header: str) -> None:
    assert choose_format(header) in (TEXT, OPENMETRICS)
    assert accepts_gzip(header) in (True, False)


@given(st.lists(st.sampled_from([OM, "text/plain", "*/*", ";", ",", "q", "=", "0.5", "version", "1.0.0", "gzip", " "])))
def test_any_mixture_of_header_parts_is_answered(parts: list[str]) -> None:
    assert choose_format("".join(parts)) in (TEXT, OPENMETRICS)
    assert accepts_gzip("".join(parts)) in (True, False)


def test_content_types_are_those_that_prometheus_knows() -> None:
    assert TEXT.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert OPENMETRICS.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"


def test_collectors_together_are_one_exposition() -> None:
    """In the order given, with one end mark in OpenMetrics."""
    first, second = CollectorRegistry(), CollectorRegistry()
    Gauge("first", "One.", registry=first).set(1)
    Gauge("second", "Two.", registry=second).set(2)
    together = Together(first, second)

    text = b"# HELP first One.\n# TYPE first gauge\nfirst 1.0\n# HELP second Two.\n# TYPE second gauge\nsecond 2.0\n"
    assert text == TEXT.encode(together)
    assert OPENMETRICS.encode(together) == text + b"# EOF\n"
