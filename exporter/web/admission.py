"""A bound on the number of requests that the server works on at the same time."""

from __future__ import annotations

from types import TracebackType

from starlette.exceptions import HTTPException


class Admission:
    """Admits at most `limit` requests at a time; each further request gets 503, `detail` and `Retry-After` (seconds).

    A context manager to enter for each request before its work begins. It takes no lock: enter and leave it in the
    event loop only, not in worker threads.
    """

    def __init__(self, limit: int, detail: str, *, retry_after: int = 1) -> None:
        self._limit = limit
        self._detail = detail
        self._retry_after = retry_after
        self._admitted = 0

    def __enter__(self) -> None:
        if self._admitted >= self._limit:
            raise HTTPException(503, self._detail, {"Retry-After": str(self._retry_after)})
        self._admitted += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._admitted -= 1
