"""What Prometheus scrapes: all accounts or one of them, and the list of accounts for its service discovery."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from prometheus_client.registry import Collector
from starlette.datastructures import Headers
from starlette.responses import Response

from exporter.deadline import Deadline
from exporter.metrics.exposition import Exposition, accepts_gzip, choose_format
from exporter.scrape.scraper import Scraper

_HOST = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?")
_MAX_PORT = 65535


class Target:
    """One exposition: that of `account`, or without it of all accounts. `registry` is what the exporter adds of itself.

    Safe to use from several threads; `under_way` is the server's, to count its scrapes in.
    """

    def __init__(self, scraper: Scraper, registry: Collector, *, account: str | None = None) -> None:
        self._scraper = scraper
        self._registry = registry
        self._account = account
        self._lines = Exposition()
        self.under_way = 0
        self._rendering = 0.0  # seconds that the last exposition took to be made

    def scrape(self, headers: Headers, deadline: Deadline) -> Response:
        """The answer to a request with these headers, in the format that they ask for."""
        time_to_ask = deadline.less(min(self._rendering, deadline.remaining() / 2))
        snapshot = self._scraper.scrape(time_to_ask, account=self._account)
        began = time.monotonic()
        form = choose_format(headers.get("accept"))
        compressed = accepts_gzip(headers.get("accept-encoding"))
        body = self._lines.render(snapshot, self._registry, form, gzip=compressed)
        fields = {"Content-Type": form.content_type, "Vary": "Accept, Accept-Encoding"}
        if compressed:
            fields["Content-Encoding"] = "gzip"
        self._rendering = time.monotonic() - began
        return Response(body, headers=fields)


def target_groups(accounts: Iterable[str], *, host: str, scheme: str) -> list[dict[str, object]]:
    """The accounts as `http_sd_configs` reads them, each to be scraped at `host` by `/probe`. With one account::

        [{"targets": ["exporter:10870"],
          "labels": {"instance": "exporter:10870/prod", "__metrics_path__": "/probe", "__param_account": "prod"}}]

    `instance` keeps the `up` of accounts apart. The scheme is left to the scrape configuration, whose default is http,
    unless `scheme` is https: behind a proxy that ends TLS, http is what arrives here, not what the client speaks.
    https://prometheus.io/docs/prometheus/latest/http_sd/
    """
    secure = {"__scheme__": "https"} if scheme == "https" else {}
    return [
        {
            "targets": [host],
            "labels": {
                "instance": f"{host}/{name}",
                "__metrics_path__": "/probe",
                "__param_account": name,
                **secure,
            },
        }
        for name in accounts
    ]


def host_of(headers: Headers) -> str | None:
    """The address that the client reached the exporter by, `HOST` or `HOST:PORT`; None where it does not tell."""
    match = _HOST.fullmatch(headers.get("host", ""))
    if match is None or not 0 < int(match["port"] or 80) <= _MAX_PORT:
        return None
    return match[0]
