"""The health check of the image: exit status 0 if the exporter on this machine answers that its process is alive.

HEALTHCHECK_ADDRESS is the address that it listens on (default: 127.0.0.1:10870), HEALTHCHECK_PREFIX the value of
`--web.route-prefix`. The exporter may speak HTTP or HTTPS. It may also demand a client certificate: then the refusal of
the connection without one shows that it is alive.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys

_SECONDS = 2.0
_CERTIFICATE_REQUIRED = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")


def is_alive(address: str, path: str) -> bool:
    """Whether the server answers 200 to `path`, by HTTP or else by HTTPS. Raises OSError if none listens."""
    try:
        if _status(http.client.HTTPConnection(address, timeout=_SECONDS), path) == http.client.OK:
            return True
    except (ConnectionResetError, http.client.HTTPException):
        pass  # a server of HTTPS may refuse in any way
    unverified = ssl._create_unverified_context()  # noqa: S323 - it names this machine, and tells it no secret
    connection = http.client.HTTPSConnection(address, timeout=_SECONDS, context=unverified)
    try:
        connection.connect()
    except ssl.SSLError as error:
        return any(reason in (error.reason or "") for reason in _CERTIFICATE_REQUIRED)
    try:
        return _status(connection, path) == http.client.OK
    except (ssl.SSLError, ConnectionError):
        return True  # TLS 1.3 refuses a client without a certificate after the handshake


def _status(connection: http.client.HTTPConnection, path: str) -> int:
    """The status of the answer."""
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


if __name__ == "__main__":
    prefix = os.environ.get("HEALTHCHECK_PREFIX", "").strip("/")
    try:
        alive = is_alive(
            os.environ.get("HEALTHCHECK_ADDRESS", "127.0.0.1:10870"), f"{'/' * bool(prefix)}{prefix}/-/healthy"
        )
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"The exporter does not answer: {error}")
    sys.exit(0 if alive else "The exporter answers, but not that it is alive.")
