"""Where the interface is found: its prefix, and its URL behind a proxy, as Prometheus has them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import Scope

_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Site:
    """URLs and paths that the flags `--web.*` set.

    Every path is below `route_prefix`, such as `/vod`. It is empty if there is none. Clients that come through a proxy
    see the prefix as `external_url`, which has no slash at its end. `telemetry_path` is the path of the metrics below
    the prefix. `grafana_url` is a Grafana with our dashboards.
    """

    telemetry_path: str = "/metrics"
    grafana_url: str | None = None
    external_url: str | None = None
    route_prefix: str = ""

    @property
    def url(self) -> str:
        """The URL to put before paths such as `/sd`: absolute if the external one is known, otherwise a path."""
        return self.external_url or self.route_prefix

    def within(self, scope: Scope) -> Scope | None:
        """The scope with the path below the prefix; None if the path is not below it."""
        path = scope["path"].removeprefix(self.route_prefix)
        inside = scope["path"].startswith(f"{self.route_prefix}/")
        return {**scope, "path": path} if inside else None

    def redirect(self, scope: Scope) -> str | None:
        """The relative URL of the status page, if the request is for `/` or for the prefix without its slash."""
        path = scope["path"]
        if scope["method"] not in ("GET", "HEAD") or path not in ("/", self.route_prefix):
            return None
        return f"{self.route_prefix[1:] if path == '/' else self.route_prefix.rpartition('/')[2]}/"

    def seen_at(self, host: str, scheme: str) -> tuple[str, str, str]:
        """Host, scheme and prefix for a client that used this host: those of `external_url` if it is the host there."""
        external = urlsplit(self.external_url or "")
        port = _PORTS.get(external.scheme, "")
        if external.netloc and external.netloc.lower().removesuffix(port) == host.lower().removesuffix(port):
            return external.netloc, external.scheme, external.path
        return host, scheme, self.route_prefix
