"""Metric families as the bytes of an answer: format by `Accept`, gzip by `Accept-Encoding`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from isal import igzip
from prometheus_client import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

_GZIP_LEVEL = 1  # isal at level 1 is as small as zlib's default within a few percent, many times faster


@dataclass(frozen=True, slots=True)
class Format:
    """One of the two formats that Prometheus reads everywhere."""

    content_type: str
    encode: Callable[[Collector], bytes]


TEXT = Format("text/plain; version=0.0.4; charset=utf-8", generate_latest)
OPENMETRICS = Format("application/openmetrics-text; version=1.0.0; charset=utf-8", generate_openmetrics)


class Together(Collector):
    """Several collectors as one, each a part of the same exposition."""

    def __init__(self, *collectors: Collector) -> None:
        self._collectors = collectors

    def collect(self) -> Iterable[Metric]:
        for collector in self._collectors:
            yield from collector.collect()


def choose_format(accept: str | None) -> Format:
    """OpenMetrics 1.0 where the client takes it at least as gladly as plain text, otherwise text 0.0.4."""
    text = openmetrics = 0.0
    for media_type, weight, parameters in _accepted(accept or ""):
        if media_type == "application/openmetrics-text" and parameters.get("version", "1.0.0") == "1.0.0":
            openmetrics = max(openmetrics, weight)
        elif media_type in ("text/plain", "text/*", "*/*") and parameters.get("version", "0.0.4") == "0.0.4":
            text = max(text, weight)
    return OPENMETRICS if openmetrics > 0 and openmetrics >= text else TEXT


def accepts_gzip(accept_encoding: str | None) -> bool:
    weights = {coding: weight for coding, weight, _ in _accepted(accept_encoding or "")}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def compress(body: bytes) -> bytes:
    """One gzip member."""
    compressed: bytes = igzip.compress(body, compresslevel=_GZIP_LEVEL, mtime=0)
    return compressed


def _accepted(header: str) -> Iterable[tuple[str, float, dict[str, str]]]:
    """The items of an `Accept` header, each with its weight and its other parameters."""
    for item in header.split(","):
        value, *rest = (part.strip() for part in item.split(";"))
        parameters = {key.strip().lower(): text.strip().strip('"') for key, _, text in (p.partition("=") for p in rest)}
        try:
            weight = float(parameters.pop("q", "1"))
        except ValueError:
            weight = 0.0
        if value:
            yield value.lower(), weight, parameters
