"""Reload: what the configuration file says now takes the place of what it said before, while scrapes go on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from exporter import config, wiring
from exporter.errors import ConfigError, ExporterError, StateError
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.account import Account
from exporter.scrape.scraper import Scraper
from exporter.tracking.store import Changes, Store, Stored

_log = logging.getLogger(__name__)

_TOLD = 20  # faults in one log line; check-config tells them all


class Exporter:
    """The parts that run, on the settings of a file that `load` reads; it raises `ConfigError` with every fault.

    Safe to use from several threads; reloads are one after the other. Raises `StateError` where the state cannot be
    used.
    """

    def __init__(
        self, settings: config.Settings, load: Callable[[], config.Settings], *, telemetry_path: str = "/metrics"
    ) -> None:
        self._load = load
        self._state = settings.state
        self._telemetry = Telemetry()
        self._store = wiring.store(settings.state)
        self._lock = threading.Lock()
        self._closed = False
        self._running: dict[str, _Running] = {}
        self.scraper = Scraper([], min_interval=settings.scrape.min_interval)
        self.interface = wiring.interface(settings, self.scraper, self._telemetry, telemetry_path=telemetry_path)
        self._apply(settings)

    def reload(self) -> Sequence[str]:
        """Read the file again. Where it has faults, these are returned and told by log and metric, and all stays as is.

        Accounts whose settings are the same go on as if nothing had happened; the totals of others are in the store.
        """
        with self._lock:
            if self._closed:
                return ["the exporter is ending"]
            faults = self._reload()
            self._telemetry.reloaded(successful=not faults)
            if faults:
                told = {"count": len(faults), "faults": " | ".join(faults[:_TOLD])}
                _log.error("configuration not reloaded", extra=told)
            return faults

    def close(self) -> None:
        """End the refreshes and keep what they have found out; from now on nothing is reloaded."""
        with self._lock:
            self._closed = True
            self.scraper.close()
            self._store.close()

    def _reload(self) -> Sequence[str]:
        try:
            settings = self._load()
            self._apply(settings)
        except ConfigError as error:
            return error.faults
        except ExporterError as error:
            return [str(error)]
        except Exception as error:  # noqa: BLE001 - a signal has nobody else to tell it to
            _log.error("bug in the reload", exc_info=error)
            return [f"a bug of the exporter, the log has it: {type(error).__name__}"]
        if settings.state != self._state:
            _log.warning("state is another in the configuration; that takes effect with the next start")
        _log.info("configuration reloaded", extra={"accounts": len(settings.accounts)})
        return []

    def _apply(self, settings: config.Settings) -> None:
        """An account whose state cannot be read is left out until the next reload; the others are as they should be."""
        before = self._running
        wanted = {one.name: (one, wiring.concerns(one, settings)) for one in settings.accounts}
        running = {name: one for name, one in before.items() if name in wanted and one.settings == wanted[name][1]}
        self._running = running
        _close(one for name, one in before.items() if name not in running)
        faults = []
        for name, (one, concerns) in wanted.items():
            if name not in running:
                share = _Share(self._store)
                try:
                    account = wiring.account(one, settings, self._telemetry, share)
                except ExporterError as error:
                    faults.append(f"account {name}: {error}")
                else:
                    running[name] = _Running(account, share, concerns)
        accounts = [running[name].account for name in wanted if name in running]
        self.scraper.replace(accounts, min_interval=settings.scrape.min_interval)
        wiring.configure(self.interface, settings)
        if faults:
            raise StateError("; ".join(faults))


class _Share:
    """The store as one account has it: once closed it takes nothing, for another may have loaded what is kept.

    Whoever still holds the old account, and registers a task with it, is so told to try again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._closed = False

    def load(self, account: str, *, now: float) -> Stored:
        return self._store.load(account, now=now)

    def save(self, account: str, changes: Changes) -> None:
        with self._lock:
            if self._closed:
                raise StateError("the configuration of the account has changed")
            self._store.save(account, changes)

    def remembered(self, account: str, task_ids: Iterable[str]) -> Mapping[str, bool]:
        return self._store.remembered(account, task_ids)

    def close(self) -> None:
        with self._lock:
            self._closed = True


@dataclass(frozen=True, slots=True)
class _Running:
    """An account, its share of the store, and the settings that it was made from."""

    account: Account
    share: _Share
    settings: object

    def close(self) -> None:
        self.account.close()
        self.share.close()


def _close(gone: Iterable[_Running]) -> None:
    """All at once: one whose service hangs takes a second."""
    gone = list(gone)
    if gone:
        with ThreadPoolExecutor(len(gone)) as pool:
            list(pool.map(_Running.close, gone))
