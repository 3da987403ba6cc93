"""Secrets that VOD quotes, in any encoding, are in no log line, page or metric of the process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.faults.conftest import Start, account
from tests.masks.conftest import BASE64, ENCODINGS

SECRET = "Sw5V5dBr8qLSgP4eNVIsqXnJuwkS7d"
TOKEN = "CAIS+tok/en==" + "Q7w/" * 10
WRITTEN = {encode(text) for encode in (*ENCODINGS.values(), *BASE64.values()) for text in (SECRET, TOKEN)}
SIGNED = ["Signature: SECRETSIG", "https://h/x%3FSignature%3DSECRETSIG", '"SecurityToken":"SECRETSIG"']


class _Quoting(BaseHTTPRequestHandler):
    """Refuses each call with a text that quotes the keys, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        message = " ".join(["it said", *sorted(WRITTEN), *SIGNED])
        body = json.dumps({"Code": "InvalidSecurityToken.Malformed", "Message": message, "RequestId": "r"}).encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def quoting() -> Iterator[str]:
    """The URL of a VOD that quotes keys."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Quoting) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_keys_that_vod_quotes_in_any_encoding_show_nowhere(quoting: str, start: Start) -> None:
    config = account(quoting, ["t"], secret=f'{SECRET}, security_token: "{TOKEN}"', more="state: {memory: true}\n")
    exporter = start(config, "--log.level=debug")
    metrics, page = exporter.get().text, exporter.get("/").text

    for text in (exporter.log, metrics, page):
        assert [written for written in WRITTEN if written in text] == []
        assert "SECRETSIG" not in text
    assert "it said &lt;secret&gt;" in page
    assert "it said <secret>" in exporter.log
    assert 'vod_up{account="prod"} 0.0' in metrics
