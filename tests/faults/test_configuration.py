"""What the configuration names and is not there, secrets that must not be printed, and text that forges lines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from exporter.simulator.faults import Fault
from tests.conftest import Simulators, wait_until
from tests.faults.conftest import NOWHERE, Start, account, refused

pytestmark = pytest.mark.slow


def test_a_missing_variable_or_key_file_is_refused_by_name(tmp_path: Path) -> None:
    text = "accounts: [{{name: a, region: cn-shanghai, credentials: {{access_key_id: x, {}}}}}]\n"
    assert "NO_SUCH_VARIABLE" in refused(tmp_path, text.format("access_key_secret: '${NO_SUCH_VARIABLE}'"))
    assert "nowhere.key" in refused(tmp_path, text.format("access_key_secret_file: nowhere.key"))


class _Echo(BaseHTTPRequestHandler):
    """Refuses each request as VOD refuses a wrong signature: the error quotes the request and its security token."""

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, _EchoServer)
        server.signatures += re.findall(r"Signature=(\w+)", self.headers.get("Authorization", ""))
        quoted = [f"{name}:{value}" for name, value in self.headers.items() if name.lower() != "authorization"]
        message = f"server string to sign is: {self.command}\n{self.path}\n" + "\n".join(quoted)
        body = json.dumps({"RequestId": "r", "Code": "SignatureDoesNotMatch", "Message": message}).encode()
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has this name
        """Nothing."""


class _EchoServer(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.signatures: list[str] = []


@pytest.fixture
def echo() -> Iterator[_EchoServer]:
    with _EchoServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_no_secret_is_in_a_log_a_page_or_a_metric(start: Start, echo: _EchoServer, tmp_path: Path, form: str) -> None:
    """The level debug logs everything. VOD refuses the calls of one account, the other cannot reach VOD."""
    secret, token = "S3CRETsecretS3CRET", "T0KENtokenT0KENtoken=="
    endpoint = f"http://127.0.0.1:{echo.server_address[1]}"
    config = "accounts:\n" + "".join(
        f"  - name: {name}\n    endpoint: {url}\n    track: {{tasks: [a, b], videos: [c]}}\n    credentials:"
        f" {{access_key_id: LTAIid, access_key_secret: '{secret}', security_token: '{token}'}}\n"
        for name, url in (("refused", endpoint), ("unreachable", NOWHERE))
    )
    exporter = start(config + "scrape: {min_interval: 0s}\n", "--log.level=debug", f"--log.format={form}")
    outputs = [exporter.get(path).text for path in ("/metrics", "/metrics", "/", "/-/healthy", "/-/ready", "/nowhere")]
    outputs.append(exporter.get(headers={"Accept": "application/openmetrics-text"}).text)
    assert exporter.stop() == 0
    outputs.append(exporter.log)
    task = [sys.executable, "-m", "exporter", "task", f"--config.file={tmp_path / 'exporter.yml'}", "--log.level=debug"]
    ended = subprocess.run([*task, "--account=refused", "a"], capture_output=True, text=True, timeout=30, check=False)
    outputs += [ended.stdout, ended.stderr]
    assert ended.returncode == 1
    assert "SignatureDoesNotMatch" in "".join(outputs)
    assert echo.signatures
    for hidden in (secret, token, token.replace("=", "%3D"), *echo.signatures):
        assert not any(hidden in text for text in outputs)


def test_text_from_vod_and_from_clients_forges_no_log_line(start: Start, simulators: Simulators) -> None:
    """Errors of VOD, and URLs, methods and headers of clients are escaped, also on the status page."""
    simulator = simulators()
    hostile = '\r\nts=1 level=error msg="forged"\x1b[31m\x9b1m\u2028</td><script>alert(1)</script>'
    simulator.faults.add(Fault(kind="code", status=403, code="Forbidden.RAM", message=hostile))
    exporter = start(account(simulator.url, ["a" * 32]), "--log.level=debug")
    assert exporter.get().status_code == 200
    page = exporter.get("/").text
    for text in (
        "GET /%0d%0ats=1%20level=error HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\x1b[31m HTTP/1.1\r\nHost: x\r\n\r\n",
        "ts=1 level=error\r\nmsg=forged\r\n\r\n",
        "F\x1b[31mO / HTTP/1.1\r\nHost: \x1b[31m\r\n\r\n",
    ):
        exporter.connect().sendall(text.encode("latin-1"))
    wait_until(lambda: "not an HTTP/1.1 request" in exporter.log)
    assert exporter.stop() == 0
    assert "account down" in exporter.log
    assert "Forbidden.RAM" in exporter.log
    for line in exporter.log.splitlines():
        assert re.match(r"ts=20\d\d-\S+Z level=(debug|info|warn) component=[\w.]+ msg=", line)
        assert line.isprintable()
    assert "<script>" not in page  # the page has one of its own, with attributes
    assert "&lt;script&gt;" in page
