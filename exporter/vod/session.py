"""A `requests` session whose requests end by a deadline, take the route of the environment, and follow no redirect."""

from __future__ import annotations

import http.cookiejar
from typing import Any

import requests

from exporter.deadline import Deadline
from exporter.vod.connections import DeadlineAdapter, Until
from exporter.vod.route import Route


class Session(requests.Session):
    """Keeps no cookie, and takes no password from ~/.netrc, which would replace the signature of a request."""

    def __init__(self, connections: int) -> None:
        super().__init__()
        self.trust_env = False  # `exporter.vod.route` reads the environment
        self.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        adapter = DeadlineAdapter(pool_connections=2, pool_maxsize=connections)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Always None: for a redirect `requests` reads and unpacks the whole body, even if it does not follow it."""


def bounded(route: Route, deadline: Deadline) -> dict[str, Any]:
    """The arguments of a request of a `Session` that takes this route and ends by this deadline."""
    return {
        "proxies": dict(route.proxies),
        "verify": route.verify,
        "timeout": Until(deadline),
        "allow_redirects": False,
    }
