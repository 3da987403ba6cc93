"""Reload: what the configuration file says now takes the place of what it said before, while scrapes go on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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
        if faults := self._apply(settings):
            raise StateError("; ".join(faults))

    def reload(self) -> Sequence[str]:
        """Read the file again. What is wrong is returned, and told by log and metric.

        Where the file has faults all stays as it is. Otherwise accounts whose settings are the same go on as if nothing
        had happened, and the others are made anew, with their totals from the store; one that cannot be goes on with
        its old settings.
        """
        with self._lock:
            if self._closed:
                return ["the exporter is ending"]
            faults = self._reload()
            self._telemetry.reloaded(successful=not faults)
            if faults:
                told = {"count": len(faults), "faults": " | ".join(faults[:_TOLD])}
                _log.error("reload failed", extra=told)
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
            faults = self._apply(settings)
        except ConfigError as error:
            return error.faults
        except Exception as error:  # noqa: BLE001 - a signal has nobody else to tell it to
            return [_said(error)]
        if settings.state != self._state:
            _log.warning("state is another in the configuration; that takes effect with the next start")
        if not faults:
            _log.info("configuration reloaded", extra={"accounts": len(settings.accounts)})
        return faults

    def _apply(self, settings: config.Settings) -> Sequence[str]:
        """Bring in the settings; returns what came of each account that could not be made of them.

        An old account ends before the new one begins, for only then the store has all that it has found out. Where the
        new one cannot be made, one of the old settings is; where that cannot be either, none is there until the next
        reload.
        """
        before = self._running
        wanted = {one.name: (one, settings) for one in settings.accounts}
        running = {name: one for name, one in before.items() if name in wanted and one.is_of(*wanted[name])}
        _close([one for name, one in before.items() if name not in running])
        faults = []
        for name in [name for name in wanted if name not in running]:
            old = [before[name].settings] if name in before else []
            errors: list[str] = []
            for one in (wanted[name], *old):
                try:
                    running[name] = self._run(*one)
                    break
                except Exception as error:  # noqa: BLE001 - the others are served whatever it is
                    errors.append(_said(error))
            if errors:
                outcome = "goes on with its old settings" if name in running else "is left out"
                faults.append(f"account {name} {outcome}: {'; '.join(dict.fromkeys(errors))}")
        self._running = {name: running[name] for name in wanted if name in running}
        self.scraper.replace([one.account for one in self._running.values()], min_interval=settings.scrape.min_interval)
        wiring.configure(self.interface, settings)
        self._telemetry.keep(wanted)
        return faults

    def _run(self, one: config.Account, settings: config.Settings) -> _Running:
        share = _Share(self._store)
        return _Running(wiring.account(one, settings, self._telemetry, share), share, (one, settings))


def _said(error: Exception) -> str:
    if isinstance(error, ExporterError):
        return str(error)
    _log.error("bug in the reload", exc_info=error)
    return f"a bug of the exporter, the log has it: {type(error).__name__}"


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
    settings: tuple[config.Account, config.Settings]

    def is_of(self, one: config.Account, settings: config.Settings) -> bool:
        """Whether these settings would make the same account."""
        return wiring.concerns(*self.settings) == wiring.concerns(one, settings)

    def close(self) -> None:
        try:
            self.account.close()
        except Exception as error:  # noqa: BLE001 - what takes its place has to come
            _log.error("account not closed in order", exc_info=error, extra={"account": self.account.name})
        self.share.close()


def _close(gone: Collection[_Running]) -> None:
    """All at once: one whose service hangs takes a second."""
    if gone:
        with ThreadPoolExecutor(len(gone)) as pool:
            list(pool.map(_Running.close, gone))
