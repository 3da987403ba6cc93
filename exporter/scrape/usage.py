"""What VOD has billed in the last 24 hours that it has closed: asked once an hour, independently of the refresh."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from exporter.deadline import Deadline
from exporter.errors import BudgetSpent, VodError
from exporter.model import OTHER
from exporter.scrape.calls import Recorder
from exporter.scrape.threads import Threads
from exporter.specification import SPECIFICATIONS
from exporter.vod.client import Client
from exporter.vod.replies import Usage

_log = logging.getLogger(__name__)

HOUR = 3600.0
HOURS = 24
"""The length of the window. VOD answers by the hour for up to seven days."""
CLOSED_AFTER = 2 * HOUR
"""VOD bills an hour "usually within one hour" after its end; this is an hour more, so that no late row is missed:
https://www.alibabacloud.com/help/en/vod/product-overview/billing-of-basic-services
"""
_RETRY_SECONDS = 600.0
_TURN_SECONDS = 60.0  # how long the call waits for its turn in the budget


class BilledUsage:
    """The usage of one account in `region`. Safe to use from several threads. `clock` gives Unix seconds.

    `client` must not report to the health of the account. VOD's answer to this operation does not say whether the tasks
    can be read, and no scrape waits for it.
    """

    def __init__(
        self,
        account: str,
        region: str,
        client: Client,
        recorder: Recorder,
        threads: Threads,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._account = account
        self._region = region
        self._client = client
        self._recorder = recorder
        self._threads = threads
        self._clock = clock
        self._lock = threading.Lock()
        self._asking = False
        self._again_at = 0.0
        self._error = ""
        self._seconds: Mapping[str, float] = {}
        self._end = 0.0  # of the window that `_seconds` has

    @property
    def seconds(self) -> Mapping[str, float]:
        """Billed seconds by specification. Empty if the last window is more than an hour behind the present one."""
        with self._lock:
            return self._seconds if abs(_end(self._clock()) - self._end) <= HOUR else {}

    def refresh(self) -> None:
        """Ask VOD in another thread, if an hour has closed since the last answer."""
        with self._lock:
            # A longer wait than an hour means that the clock was set back. Then VOD is asked now.
            if self._asking or 0 < self._again_at - self._clock() <= HOUR:
                return
            self._asking = True
        try:
            self._threads.submit(self._ask)
        except RuntimeError:  # the system allows no further thread; the next scrape tries again
            self._asking = False

    def close(self) -> None:
        """Make no further calls."""
        self._client.close()

    def _ask(self) -> None:
        again_at = self._clock() + _RETRY_SECONDS
        try:
            end = _end(self._clock())
            start = end - HOURS * HOUR
            reply = self._client.usage(self._region, Deadline.after(_TURN_SECONDS), start=start, end=end)
            self._recorder.malformed(reply.malformed)
            with self._lock:
                self._seconds = _sums([row for row in reply.usage if start <= row.hour < end])
                self._end = end
            again_at = end + CLOSED_AFTER + HOUR
            self._note("")
        except BudgetSpent:  # the account was closed
            pass
        except VodError as error:
            self._note(str(error))
        except Exception as error:  # noqa: BLE001 - a bug must not stop the next attempt
            _log.error("bug in the usage", exc_info=error, extra={"account": self._account})
        finally:
            with self._lock:
                self._again_at, self._asking = again_at, False

    def _note(self, error: str) -> None:
        """Log the error once, and again only after an answer or another error."""
        before, self._error = self._error, error
        if error and error != before:
            _log.warning("usage not read", extra={"account": self._account, "error": error})
        elif before and not error:
            _log.info("usage read again", extra={"account": self._account})


def _end(now: float) -> float:
    """The end of the last closed hour."""
    return (now - CLOSED_AFTER) // HOUR * HOUR


def _sums(rows: list[Usage]) -> dict[str, float]:
    """Seconds by specification. Specifications that are not documented are `other`, to bound the number of series."""
    sums: dict[str, float] = {}
    for row in rows:
        name = row.specification if row.specification in SPECIFICATIONS else OTHER
        sums[name] = sums.get(name, 0.0) + row.seconds
    return sums
