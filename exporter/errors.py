"""All errors that the exporter raises on purpose.

::

    ExporterError
    ├── ConfigError                  the configuration has faults
    ├── ListenError                  the exporter cannot listen on the address
    ├── UnreachableError             a running exporter does not answer
    ├── OutputError                  a file that a command should write exists, or cannot be written
    ├── StateError                   the state cannot be stored, or the stored state cannot be read
    │   └── LeaseEnded               another replica may hold the account by now
    └── VodError                     a call to ApsaraVideo VOD failed
        ├── DeadlineError            the response was not complete at the deadline
        │   └── BudgetSpent          no request was sent: the budget had no call left before the deadline
        ├── ConnectionFailed         the connection failed or broke: DNS, refused, reset, TLS
        ├── MalformedResponse        the response is not from the API: HTML, truncated, too large, a redirect
        └── ServiceError             the response has an error code of VOD
            ├── Throttled            the quota is exceeded; slow down
            ├── TemporaryError       internal error, unavailable, reused nonce; try again
            ├── CredentialsError     wrong keys, signature, clock or permission; an operator must act
            │   ├── TokenExpired     the security token has expired; it is renewed once
            │   └── PermissionDenied  no permission for the operation, or for the id
            ├── AccountRefused       service not activated or suspended, wrong endpoint, or an unknown code
            ├── NotFoundError        the id does not exist
            └── RequestRejected      VOD does not accept a parameter, such as the id

The exceptions of each library are translated in one place: `requests` and `urllib3` in `vod/transport.py`, `yaml` and
`pydantic` in `config/`, `sqlite3` in `tracking/sqlite.py`, the official provider chain in `vod/chain.py`.
"""

from __future__ import annotations

from collections.abc import Sequence


class ExporterError(Exception):
    """Base class. Its text is one line that says what is wrong and what to do."""


class ConfigError(ExporterError):
    """The configuration cannot be used.

    `faults` has one line for each fault, in the order of the file: `FILE:LINE: KEY: problem; remedy`.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class ListenError(ExporterError):
    """The address to listen on is in use, forbidden or invalid."""


class UnreachableError(ExporterError):
    """A running exporter does not answer, or something else answers in its place."""


class OutputError(ExporterError):
    """A file that a command should write exists with other content, or cannot be written."""


class StateError(ExporterError):
    """The store cannot be opened, read or written."""


class LeaseEnded(StateError):
    """This replica does not hold the account any more. Its state is with the next holder."""


class VodError(ExporterError):
    """A call to VOD failed. `code` is the value of the `code` label in `vod_exporter_api_errors_total`."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class DeadlineError(VodError):
    """The deadline passed before the response was complete."""


class BudgetSpent(DeadlineError):
    """The budget has no call left before the deadline, so no request was sent."""


class ConnectionFailed(VodError):
    """The connection to the endpoint failed, or broke before the response was complete."""


class MalformedResponse(VodError):
    """The response does not come from the API of VOD, or violates its format."""


class ServiceError(VodError):
    """VOD refused the request with an error code.

    `retry_after` is the `Retry-After` header in seconds; None without one.
    """

    def __init__(self, message: str, *, code: str, retry_after: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Throttled(ServiceError):
    """The calls exceed the account's quota for this operation."""


class TemporaryError(ServiceError):
    """VOD failed for the moment; the same call may succeed later."""


class CredentialsError(ServiceError):
    """The account cannot be read until an operator corrects the keys, the clock or the permissions."""


class TokenExpired(CredentialsError):
    """The security token has expired."""


class PermissionDenied(CredentialsError):
    """The RAM user or role may not call the operation, or may not read the id: VOD uses the same codes for both."""


class AccountRefused(ServiceError):
    """VOD answers no call of this kind until an operator acts, or the exporter does not know the code.

    For example, the service is not activated or suspended, or the endpoint is not VOD's.
    """


class NotFoundError(ServiceError):
    """The id does not exist, or is older than one year: VOD keeps ids for one year."""


class RequestRejected(ServiceError):
    """VOD does not accept a parameter of the request: an id is malformed, or this VOD does not have the parameter."""
