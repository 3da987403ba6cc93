"""Every error the exporter raises on purpose.

::

    ExporterError
    ├── ConfigError                  faults of the configuration, all of them
    ├── ListenError                  an address cannot be listened on
    ├── StateError                   what is tracked cannot be kept, or what was kept cannot be read
    └── VodError                     a call to ApsaraVideo VOD brought no answer to use
        ├── DeadlineError            the time ended first
        │   └── BudgetSpent          and nothing was sent: no call was left in the budget before then
        ├── ConnectionFailed         no connection, or it broke: DNS, refused, reset, TLS
        ├── MalformedResponse        an answer that is not the API's: HTML, truncated, too large, a redirect
        └── ServiceError             the service answered with an error code
            ├── Throttled            over the quota; back off
            ├── TemporaryError       internal error, unavailable, reused nonce; try again
            ├── CredentialsError     keys, signature, clock or permission; an operator must act
            │   └── TokenExpired     the security token; refreshed once
            ├── NotFoundError        this id is gone
            └── RequestRejected      the service does not accept the request, or its code is new to us

Foreign exceptions are translated in one place each: `requests` and `urllib3` in `vod/transport.py`,
`yaml` and `pydantic` in `config/`, `sqlite3` in `tracking/sqlite.py`, the provider chain's in `vod/credentials.py`.
"""

from __future__ import annotations

from collections.abc import Sequence


class ExporterError(Exception):
    """Base of all errors raised on purpose; its text is one line that says what to do."""


class ConfigError(ExporterError):
    """The configuration cannot be used.

    `faults` has one line for each fault, in the order of the file: `FILE:LINE: KEY: what is wrong; remedy`.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class ListenError(ExporterError):
    """The address to listen on is taken, forbidden or not an address."""


class StateError(ExporterError):
    """The store cannot be opened, read or written."""


class VodError(ExporterError):
    """A call failed. `code` is its label in `vod_exporter_api_errors_total`: a bounded vocabulary."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class DeadlineError(VodError):
    """The deadline ended before the answer was whole."""


class BudgetSpent(DeadlineError):
    """The budget has no call to spare before the deadline; none was made."""


class ConnectionFailed(VodError):
    """No connection to the endpoint, or it broke before the answer was whole."""


class MalformedResponse(VodError):
    """The answer is not one of the API's."""


class ServiceError(VodError):
    """The service refused, with its own error code.

    `retry_after` is what the service asked for, in seconds, where it did.
    """

    def __init__(self, message: str, *, code: str, retry_after: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Throttled(ServiceError):
    """The account's quota for this operation is spent."""


class TemporaryError(ServiceError):
    """The service stumbled; the same call may succeed."""


class CredentialsError(ServiceError):
    """The account cannot be read until an operator mends keys, clock or permission."""


class TokenExpired(CredentialsError):
    """The security token has expired."""


class NotFoundError(ServiceError):
    """The id asked about does not exist, or is older than the year the service remembers."""


class RequestRejected(ServiceError):
    """The service does not accept the request: our fault, or an option it does not know."""
