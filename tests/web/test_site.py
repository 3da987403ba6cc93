"""The prefix of all paths and the external URL: the same meaning as the flags of Prometheus have."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest
import requests

from exporter.keys import Key
from exporter.web.callback import Callback
from exporter.web.site import Site
from tests.web.conftest import KEY, FakeScraper, Served, ServeInterface, account_snapshot
from tests.web.test_pages import Elements

PREFIX = "/vod"
SITE = Site(external_url="https://proxy.example/vod", route_prefix=PREFIX)


@pytest.fixture
def exporter(serve_interface: ServeInterface) -> Served:
    callbacks = {"prod": Callback("https://proxy.example/vod/callback/prod", Key("k"))}
    scraper = FakeScraper([account_snapshot(name="prod", up=False)])
    return serve_interface(scraper, site=SITE, api_token=KEY, callbacks=callbacks)


def get(exporter: Served, path: str, **headers: str) -> requests.Response:
    return requests.get(exporter.url + path, headers=headers, allow_redirects=False, timeout=20)


def test_all_paths_are_below_the_prefix(exporter: Served) -> None:
    for path in ("/", "/metrics", "/probe?account=prod", "/sd", "/-/healthy", "/-/ready", "/runbooks"):
        assert get(exporter, PREFIX + path).status_code == 200, path
        if path != "/":
            assert get(exporter, path).status_code == 404, path
    assert get(exporter, f"{PREFIX}/api/v1/tasks").json()["error"].startswith("send the token")
    event = requests.post(f"{exporter.url}{PREFIX}/callback/prod", timeout=20)
    assert event.status_code == 401
    assert "X-VOD-SIGNATURE does not match" in event.json()["error"]


def test_a_path_outside_the_prefix_is_told_where_the_pages_are(exporter: Served) -> None:
    for path in ("/metrics", "/vodx/metrics", "/vodmetrics", "/VOD/", "/x/vod/"):
        answer = get(exporter, path)
        assert answer.status_code == 404
        assert "/vod/ is the status page, /vod/metrics has the metrics" in answer.text
    counted = 'vod_exporter_rejected_requests_total{path="other",reason="404"} 5.0'
    assert counted in get(exporter, f"{PREFIX}/metrics").text


def test_a_path_with_two_slashes_is_outside_the_prefix() -> None:
    """Some versions of requests send one of the slashes only, so this is no request."""
    assert Site(route_prefix="/vod").within({"path": "//vod/"}) is None


@pytest.mark.parametrize("prefix", ["/vod", "/a/b"])
def test_the_root_and_the_prefix_without_a_slash_redirect(serve_interface: ServeInterface, prefix: str) -> None:
    exporter = serve_interface(FakeScraper(), site=Site(route_prefix=prefix))
    for path in ("/", prefix):
        answer = get(exporter, path)
        assert answer.status_code == 302
        assert urljoin(exporter.url + path, answer.headers["Location"]) == f"{exporter.url}{prefix}/"
        assert requests.post(exporter.url + path, allow_redirects=False, timeout=20).status_code == 404


@pytest.mark.parametrize(
    ("site", "outside"),
    [
        (Site(), "http://exporter/"),
        (SITE, "http://exporter/vod/"),
        (Site(external_url="https://proxy.example/vod"), "https://proxy.example/vod/"),  # a proxy removes the prefix
        (Site(), "http://proxy/any/prefix/"),  # the exporter does not know of the proxy
        (Site(telemetry_path="/a/metrics"), "http://exporter/"),
    ],
)
def test_every_link_of_every_page_stays_there(serve_interface: ServeInterface, site: Site, outside: str) -> None:
    """Each link is followed as a browser does: relative to the URL of its page, as the browser sees it."""
    exporter = serve_interface(FakeScraper([account_snapshot(name="prod", up=False)]), site=site)
    root = exporter.url + site.route_prefix + "/"
    to_see, seen = {outside}, set[str]()
    while to_see:
        page = to_see.pop()
        answer = requests.get(root + page.removeprefix(outside), timeout=20)
        assert answer.status_code == 200, page
        seen.add(page)
        if answer.headers["Content-Type"].startswith("text/html"):
            shown = Elements(answer.text)
            targets = [*shown.links, *(form["action"] or "" for form in shown.all("form"))]
            found = {urljoin(page, link).partition("#")[0] for link in targets if "://" not in link}
            assert all(link.startswith(outside) for link in found), found
            to_see |= found - seen
    assert {f"{outside}{site.telemetry_path[1:]}", f"{outside}runbooks/VodAccountUnreachable"} <= seen


@pytest.mark.parametrize(
    ("host", "target", "path", "scheme"),
    [
        ("exporter:10870", "exporter:10870", "/in/probe", None),
        ("Proxy.example", "proxy.example", "/out/probe", "https"),
        ("proxy.example:443", "proxy.example", "/out/probe", "https"),
        ("proxy.example:8443", "proxy.example:8443", "/in/probe", None),
    ],
)
def test_service_discovery_names_the_place_that_prometheus_asked(
    serve_interface: ServeInterface, host: str, target: str, path: str, scheme: str | None
) -> None:
    """Through the proxy: its host, prefix and scheme. Directly: those of the exporter."""
    site = Site(external_url="https://proxy.example/out", route_prefix="/in")
    exporter = serve_interface(FakeScraper([account_snapshot(name="prod")]), site=site)
    (group,) = get(exporter, "/in/sd", Host=host).json()
    assert group["targets"] == [target]
    assert group["labels"]["instance"] == f"{target}/prod"
    assert group["labels"]["__metrics_path__"] == path
    assert group["labels"].get("__scheme__") == scheme


@pytest.mark.parametrize(
    ("site", "server"),
    [(Site(), "/"), (Site(route_prefix="/vod"), "/vod"), (SITE, "https://proxy.example/vod")],
)
def test_the_openapi_document_names_the_server(serve_interface: ServeInterface, site: Site, server: str) -> None:
    exporter = serve_interface(FakeScraper(), site=site)
    document = get(exporter, f"{site.route_prefix}/api/v1/openapi.json").json()
    assert document["servers"] == [{"url": server}]


def test_a_request_with_a_whole_url_is_judged_by_its_path(exporter: Served) -> None:
    """As a forward proxy sends it."""
    for path, status in (("/vod/-/healthy", "200"), ("/-/healthy", "404")):
        answer = exporter.talk(f"GET http://exporter:10870{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith(f"HTTP/1.1 {status} ")
