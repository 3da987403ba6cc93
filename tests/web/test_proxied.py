"""The scope of a request whose target is a whole URL."""

from __future__ import annotations

import pytest
from starlette.types import Scope

from exporter.web.proxied import origin_form


def scope(raw_path: bytes) -> Scope:
    """As uvicorn makes it: the path is the decoded target."""
    headers = [(b"accept", b"*/*"), (b"host", b"proxy:3128")]
    return {"type": "http", "raw_path": raw_path, "path": raw_path.decode(), "headers": headers}


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        (b"http://exporter:10870/metrics", "/metrics", b"exporter:10870"),
        (b"HTTPS://exporter/a%20b", "/a b", b"exporter"),
        (b"http://[::1]:10870", "/", b"[::1]:10870"),
        (b"http://name:key@exporter/", "/", b"exporter"),
        (b"http:///metrics", "/metrics", b""),
        (b"http://exporter/http://other/", "/http://other/", b"exporter"),
    ],
)
def test_the_url_gives_path_and_host(target: bytes, path: str, host: bytes) -> None:
    found = origin_form(scope(target))
    assert found["path"] == path
    assert [value for name, value in found["headers"] if name == b"host"] == [host]
    assert (b"accept", b"*/*") in found["headers"]


@pytest.mark.parametrize("target", [b"/metrics", b"/http://exporter/", b"*", b"exporter:10870", b"ftp://exporter/"])
def test_any_other_target_stays_as_it_is(target: bytes) -> None:
    assert origin_form(scope(target)) == scope(target)
