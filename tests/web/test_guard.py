"""Requests need what the web configuration file says: a password, and room in the rate limit."""

from __future__ import annotations

import logging
from pathlib import Path

import bcrypt
import pytest
import requests

from exporter.metrics.telemetry import Telemetry
from exporter.web.guard import CHALLENGE, HEALTH_PATHS
from exporter.web.site import Site
from exporter.websecurity.current import WebConfig
from tests.web.conftest import FakeScraper, Served, ServeInterface, up
from tests.websecurity.conftest import write

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
USERS = f"basic_auth_users:\n  alice: {HASH}\n"
RIGHT, WRONG = ("alice", "right"), ("alice", "wrong")
HEADERS = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-XSS-Protection: 1\n"


def start(
    serve_interface: ServeInterface,
    folder: Path,
    text: str,
    telemetry: Telemetry | None = None,
    site: Site | None = None,
) -> Served:
    web = WebConfig(write(folder, text))
    return serve_interface(FakeScraper(up("prod")), telemetry, web=web, site=site, reload=list)


def get(served: Served, path: str = "/metrics", auth: tuple[str, str] | None = None) -> requests.Response:
    return requests.get(served.url + path, auth=auth, timeout=30)


@pytest.mark.parametrize("path", ["/metrics", "/", "/probe?account=prod", "/sd", "/runbooks", "/nothing", "/apis"])
def test_each_page_needs_the_password(serve_interface: ServeInterface, tmp_path: Path, path: str) -> None:
    served = start(serve_interface, tmp_path, USERS)
    refused = [get(served, path), get(served, path, WRONG), get(served, path, ("eve", "right"))]
    assert [answer.status_code for answer in refused] == [401] * 3
    assert {answer.headers["WWW-Authenticate"] for answer in refused} == {CHALLENGE}
    assert {answer.text for answer in refused} == {"send the name and the password of a user\n"}
    assert get(served, path, RIGHT).status_code in (200, 404)


def test_a_reload_needs_the_password(serve_interface: ServeInterface, tmp_path: Path) -> None:
    served = start(serve_interface, tmp_path, USERS)
    statuses = [requests.post(f"{served.url}/-/reload", auth=auth, timeout=30).status_code for auth in (None, RIGHT)]
    assert statuses == [401, 200]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/-/healthy", 200), ("/-/ready", 200), ("/api/v1/tasks", 403), ("/callback/prod", 403)],
)
def test_health_and_paths_with_keys_of_their_own_need_no_password(
    serve_interface: ServeInterface, tmp_path: Path, path: str, status: int
) -> None:
    served = start(serve_interface, tmp_path, USERS)
    method = "POST" if path.startswith("/callback") else "GET"
    assert requests.request(method, served.url + path, timeout=30).status_code == status


@pytest.mark.parametrize(
    "target", ["/-/healthy/../../metrics", "/-/healthy%2F..%2F..%2Fmetrics", "/-/healthyx", "/%2Fmetrics", "//metrics"]
)
def test_a_path_that_resembles_an_exempt_one_is_not_exempt(
    serve_interface: ServeInterface, tmp_path: Path, target: str
) -> None:
    served = start(serve_interface, tmp_path, USERS)
    assert " 401 " in served.talk(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").splitlines()[0]


@pytest.mark.parametrize("target", ["/api/../metrics", "/callback/..%2Fmetrics", "/api//metrics"])
def test_no_path_leads_from_an_exempt_folder_to_the_metrics(
    serve_interface: ServeInterface, tmp_path: Path, target: str
) -> None:
    served = start(serve_interface, tmp_path, USERS)
    answer = served.talk(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.splitlines()[0].split()[1] in ("404", "405")
    assert "vod_" not in answer


def test_below_a_prefix_the_same_paths_are_exempt(serve_interface: ServeInterface, tmp_path: Path) -> None:
    served = start(serve_interface, tmp_path, USERS, site=Site(route_prefix="/vod"))
    paths = ["/vod/-/healthy", "/vod/api/v1/tasks", "/vod/metrics", "/metrics", "/", "/-/healthy"]
    assert [get(served, path).status_code for path in paths] == [200, 403, 401, 401, 401, 404]
    assert get(served, "/vod/metrics", RIGHT).status_code == 200


def test_two_authorization_headers_are_refused(serve_interface: ServeInterface, tmp_path: Path) -> None:
    header = "Authorization: Basic YWxpY2U6cmlnaHQ=\r\n"
    served = start(serve_interface, tmp_path, USERS)
    once, twice = (served.talk(f"GET /sd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header * n}\r\n") for n in (1, 2))
    assert (once.split()[1], twice.split()[1]) == ("200", "401")


def test_requests_beyond_the_rate_get_429_and_health_does_not(serve_interface: ServeInterface, tmp_path: Path) -> None:
    served = start(serve_interface, tmp_path, "rate_limit: {interval: 1h, burst: 2}\n")
    answers = [get(served) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert answers[3].headers["Retry-After"] == "1"
    assert [get(served, path).status_code for path in HEALTH_PATHS] == [200, 200]


@pytest.mark.parametrize("path", ["/metrics", "/nothing", "/-/healthy", "/api/v1/tasks"])
def test_each_response_has_the_headers_of_the_file(serve_interface: ServeInterface, tmp_path: Path, path: str) -> None:
    served = start(serve_interface, tmp_path, USERS + HEADERS)
    for auth in (None, RIGHT):
        headers = get(served, path, auth).headers
        assert (headers["X-Frame-Options"], headers["X-XSS-Protection"]) == ("deny", "1")


def test_a_header_of_the_file_replaces_that_of_a_page(serve_interface: ServeInterface, tmp_path: Path) -> None:
    policy = "http_server_config: {headers: {Content-Security-Policy: \"default-src 'self'\"}}\n"
    served = start(serve_interface, tmp_path, policy)
    assert get(served, "/").headers["Content-Security-Policy"] == "default-src 'self'"
    assert get(served, "/").headers["X-Content-Type-Options"] == "nosniff"


def test_while_the_file_is_broken_only_health_is_answered(
    serve_interface: ServeInterface, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = start(serve_interface, tmp_path, USERS)
    assert get(served, auth=RIGHT).status_code == 200
    write(tmp_path, "nonsense")
    paths = ["/metrics", "/", "/sd", "/api/v1/tasks", "/callback/prod"]
    assert [get(served, path, RIGHT).status_code for path in paths] == [503] * 5
    assert [get(served, path).status_code for path in HEALTH_PATHS] == [200, 200]
    write(tmp_path, USERS)
    assert (get(served, auth=RIGHT).status_code, get(served).status_code) == (200, 401)
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


def test_health_is_answered_over_new_connections_with_tls_while_the_file_is_broken(
    serve_interface: ServeInterface, folder: Path
) -> None:
    """The kubelet makes a new connection for each probe, and would restart the exporter, which could not start."""
    served = start(
        serve_interface, folder, f"tls_server_config: {{cert_file: server.crt, key_file: server.key}}\n{USERS}"
    )
    write(folder, "nonsense")
    for path, status in (("/-/healthy", "200"), ("/metrics", "503")):
        client = served.send_tls(folder, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(4096).decode().split()[1] == status


def test_refusals_are_counted_by_route(serve_interface: ServeInterface, tmp_path: Path) -> None:
    telemetry = Telemetry()
    served = start(serve_interface, tmp_path, USERS, telemetry)
    get(served), get(served, auth=WRONG)
    value = telemetry.registry.get_sample_value
    labels = {"path": "/metrics", "reason": "401"}
    assert value("vod_exporter_rejected_requests_total", labels) == 2


def test_no_password_and_no_name_reaches_the_log(
    serve_interface: ServeInterface, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="exporter")
    served = start(serve_interface, tmp_path, USERS)
    for auth in (RIGHT, ("CANARYuser", "CANARYpassword")):
        get(served, auth=auth)
    shown = " ".join(str(vars(record)) for record in caplog.records if record.name.startswith("exporter"))
    assert "request refused" in shown
    assert "CANARY" not in shown
    assert HASH not in shown
