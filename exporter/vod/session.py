"""Sends requests with `requests`: they end by a deadline, take the route of the environment, and follow no redirect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import requests

from exporter.deadline import Deadline
from exporter.vod.connections import DeadlineAdapter, Until
from exporter.vod.route import Route


class Session:
    """Keeps connections open, and nothing else. Safe to use from several threads.

    It uses the adapter of `requests` without a `requests.Session`. That would keep cookies, take a password from
    ~/.netrc in place of the signature of a request, and read and unpack the whole body of a redirect, even if it does
    not follow it. It would also prepare each request anew, which takes more time than all else before the network.
    """

    def __init__(self, connections: int) -> None:
        self._adapter = DeadlineAdapter(pool_connections=2, pool_maxsize=connections)
        self._prepared: tuple[tuple[str, str], requests.PreparedRequest] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that no request uses."""
        self._adapter.close()

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, route: Route, deadline: Deadline
    ) -> requests.Response:
        """Send a request by this route. The head of the response has come, its body is still to be read.

        The query of `url` must be percent-encoded. Raises the exceptions of `requests`, `urllib3` and sockets.
        """
        base, mark, query = url.partition("?")
        request = self._request(method, base)
        assert request.url is not None  # noqa: S101 - a prepared request has one
        request.url = f"{request.url}{mark}{query}"
        request.prepare_headers(headers)
        request.prepare_body(body, None)
        proxies = dict(route.proxies)
        until: Any = Until(deadline)  # `requests` passes a timeout of `urllib3` on, which its types do not say
        return self._adapter.send(request, stream=True, timeout=until, verify=route.verify, proxies=proxies)

    def _request(self, method: str, base: str) -> requests.PreparedRequest:
        """A request without headers to this URL without its query. The calls of a client have the same URL."""
        prepared = self._prepared
        if prepared is None or prepared[0] != (method, base):
            prepared = self._prepared = (method, base), requests.Request(method, base).prepare()
        request = requests.PreparedRequest()
        request.method, request.url = prepared[1].method, prepared[1].url
        return request
