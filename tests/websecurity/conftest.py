"""Web configuration files for tests, and handshakes in memory."""

from __future__ import annotations

import ssl
from pathlib import Path

DATA = Path(__file__).parents[1] / "data" / "websecurity"
TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "web.yml"
    path.write_text(text)
    return path


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """The two ends after a handshake in memory. Raises `SSLError` of the end that refuses it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    done = {ours: False, theirs: False}
    while not all(done.values()):
        for end in (theirs, ours):
            try:
                end.do_handshake()
                done[end] = True
            except ssl.SSLWantReadError:
                done[end] = False
    return ours, theirs
