"""Targets of Prometheus: the exposition of all accounts or of one, and the target groups for service discovery."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response

from exporter.deadline import Deadline, Reserve
from exporter.metrics.counts import Own
from exporter.metrics.exposition import Exposition, accepts_gzip, choose_format
from exporter.scrape.scraper import Scraper
from exporter.web.admission import Admission
from exporter.web.connections import MAX_UNREAD_BYTES

_HOST = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?")
_MAX_PORT = 65535
_RENDERING_SECONDS_PER_JOB = 50e-6  # a guess, until the first exposition was rendered


class Target:
    """The exposition of one `account`, or of all if it is None. `own` is what the exporter says about itself.

    `scrape` is safe to call from several threads. `admission` bounds these calls; the event loop enters it.
    """

    def __init__(self, scraper: Scraper, own: Own, *, scrapes_at_once: int, account: str | None = None) -> None:
        self._scraper = scraper
        self._own = own
        self._account = account
        self._lines = Exposition()
        self._rendering = Reserve(_RENDERING_SECONDS_PER_JOB)
        subject = "all accounts" if account is None else "this account"
        self.admission = Admission(
            scrapes_at_once,
            f"{scrapes_at_once} scrapes of {subject} are in progress; "
            "let fewer Prometheus servers scrape, or raise their scrape_interval",
        )

    def scrape(self, headers: Headers, deadline: Deadline) -> Response:
        """The response to a scrape by `deadline`, in the format and compression that `headers` accept.

        Raises `KeyError` if the account was removed or lost, and 503 if the response would be too large to be sent
        whole.
        """
        snapshot = self._scraper.scrape(deadline, account=self._account, rendering=self._rendering)
        if self._account is not None and not snapshot.accounts:
            raise KeyError(self._account)
        began = time.monotonic()
        # Several lines of one header are one list (RFC 9110, section 5.3).
        form = choose_format(",".join(headers.getlist("accept")))
        compressed = accepts_gzip(",".join(headers.getlist("accept-encoding")))
        body = self._lines.render(snapshot, self._own, form, gzip=compressed, deadline=deadline)
        if len(body) > MAX_UNREAD_BYTES:  # the connection would be closed before its end
            raise HTTPException(503, self._too_large(len(body), compressed=compressed))
        fields = {"Content-Type": form.content_type, "Vary": "Accept, Accept-Encoding"}
        if compressed:
            fields["Content-Encoding"] = "gzip"
        shown = sum(len(account.view.jobs) for account in snapshot.accounts)
        self._rendering.took(time.monotonic() - began, shown - self._lines.left_out)
        return Response(body, headers=fields)

    def _too_large(self, size: int, *, compressed: bool) -> str:
        remedies = [] if compressed else ["send Accept-Encoding: gzip"]
        remedies += ["scrape single accounts at /probe"] if self._account is None else []
        remedies.append("lower series.max_jobs")
        return (
            f"the metrics have {size:,} bytes, and a response may have {MAX_UNREAD_BYTES:,}; {', or '.join(remedies)}"
        )


def target_groups(accounts: Iterable[str], *, host: str, scheme: str, prefix: str = "") -> list[dict[str, object]]:
    """Target groups for `http_sd_configs`: one for each account, for `/probe` at `host`, below `prefix`. Example::

        [{"targets": ["exporter:10870"],
          "labels": {"instance": "exporter:10870/prod", "__metrics_path__": "/probe", "__param_account": "prod"}}]

    `instance` differs for each account, so that each account has an `up` series of its own. The groups contain
    `__scheme__` only if `scheme` is https. If it is http, a proxy in front of the exporter may have terminated TLS, and
    the scheme is unknown: `scheme` of the scrape configuration then decides.
    https://prometheus.io/docs/prometheus/latest/http_sd/
    """
    secure = {"__scheme__": "https"} if scheme == "https" else {}
    return [
        {
            "targets": [host],
            "labels": {
                "instance": f"{host}/{name}",
                "__metrics_path__": f"{prefix}/probe",
                "__param_account": name,
                **secure,
            },
        }
        for name in accounts
    ]


def host_of(headers: Headers) -> str | None:
    """The address, `HOST` or `HOST:PORT`, that the client used for the exporter; None if the header is malformed."""
    match = _HOST.fullmatch(headers.get("host", ""))
    if match is None or not 0 < int(match["port"] or 80) <= _MAX_PORT:
        return None
    return match[0]
