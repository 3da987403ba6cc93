"""The running exporter, and its reload: accounts whose settings changed are replaced while scrapes continue."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from exporter import config, wiring
from exporter.errors import ConfigError, ExporterError, StateError
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.account import Account
from exporter.scrape.scraper import Scraper
from exporter.scrape.threads import Threads
from exporter.tracking.holdings import Holding
from exporter.web.site import Site

_log = logging.getLogger(__name__)

_MAX_LOGGED_FAULTS = 20  # in one log line; check-config prints them all


class Exporter:
    """The running parts. `load` reads the settings from the configuration file, and raises `ConfigError` for faults.

    New counters are exposed at 0 for `hold` seconds. Safe to use from several threads; there is one reload at a time.
    Raises `StateError` if the store cannot be used.
    """

    def __init__(
        self,
        settings: config.Settings,
        load: Callable[[], config.Settings],
        *,
        site: Site | None = None,
        hold: float = config.HOLD_SECONDS,
    ) -> None:
        self._load = load
        self._state = settings.state
        self._telemetry = Telemetry(hold=hold)
        self._holdings = wiring.holdings(settings.state, self._telemetry)
        self._threads = Threads("account")
        self._lock = threading.Lock()
        self._closed = False
        self._running: dict[str, _Running] = {}
        self.scraper = Scraper([], min_interval=settings.scrape.min_interval, holdings=self._holdings)
        self.interface = wiring.interface(settings, self.scraper, self._telemetry, site=site)
        if faults := self._apply(settings):
            raise StateError("; ".join(faults))
        self.scraper.show_state_first()
        self._holdings.start(self._changed)

    def _changed(self) -> None:
        self._threads.submit(self._settle)

    def _settle(self) -> None:
        """Start the accounts that were gained, and close those that were lost."""
        with self._lock:
            if not self._closed and (faults := self._apply(self._settings)):
                _log.error("accounts cannot start", extra={"faults": " | ".join(faults[:_MAX_LOGGED_FAULTS])})

    def reload(self) -> Sequence[str]:
        """Read the configuration file again. Returns the faults, which are also logged. A metric shows the result.

        A file with faults changes nothing. Otherwise accounts with the same settings continue untouched. Changed
        accounts restart from the stored state and keep their totals. An account that cannot start keeps its old
        settings.
        """
        with self._lock:
            if self._closed:
                return ["the exporter is stopping"]
            faults = self._reload()
            self._telemetry.reloaded(successful=not faults)
            if faults:
                shown = " | ".join(faults[:_MAX_LOGGED_FAULTS])
                _log.error("reload failed", extra={"count": len(faults), "faults": shown})
            return faults

    def close(self) -> None:
        """End the refreshes and save what they have found. Nothing is reloaded after that."""
        with self._lock:
            self._closed = True
            self.scraper.close()
            self._holdings.close()

    def _reload(self) -> Sequence[str]:
        try:
            settings = self._load()
            faults = self._apply(settings)
        except ConfigError as error:
            return error.faults
        except Exception as error:  # noqa: BLE001 - a reload by SIGHUP has no caller that could report the error
            return [_text(error)]
        if settings.state != self._state:
            _log.warning("`state` changed; restart the exporter to apply it")
        if not faults:
            _log.info("configuration reloaded", extra={"accounts": len(settings.accounts)})
        return faults

    def _apply(self, settings: config.Settings) -> Sequence[str]:
        """Use the settings. Returns an error text for each account that could not start with them.

        The old account is closed before the new one starts, because closing saves its last changes. If the new one
        cannot start, the old settings are used again. If these fail too, the account is left out until the next reload.
        """
        before, self._settings = self._running, settings
        wanted = {
            account.name: _Wanted(account, settings, holding)
            for account in settings.accounts
            if (holding := self._holdings.of(account.name)) is not None
        }
        running = {name: old for name, old in before.items() if name in wanted and wanted[name].is_same(old.made_of)}
        _close([before[name] for name in before if name not in running])
        self._holdings.want([account.name for account in settings.accounts])
        faults = []
        for name in [name for name in wanted if name not in running]:
            fallback = [replace(before[name].made_of, holding=wanted[name].holding)] if name in before else []
            errors: list[str] = []
            for attempt in (wanted[name], *fallback):
                try:
                    running[name] = self._run(attempt)
                    break
                except Exception as error:  # noqa: BLE001 - one account must not stop the others
                    errors.append(_text(error))
            if errors:
                outcome = "keeps its old settings" if name in running else "is left out"
                faults.append(f"account {name} {outcome}: {'; '.join(dict.fromkeys(errors))}")
        self._running = {name: running[name] for name in wanted if name in running}
        accounts = [account.account for account in self._running.values()]
        self.scraper.replace(accounts, min_interval=settings.scrape.min_interval)
        wiring.configure(self.interface, settings)
        self._telemetry.keep(wanted)
        self._telemetry.price(settings.billing.currency or "", settings.billing.prices)
        return faults

    def _run(self, wanted: _Wanted) -> _Running:
        account = wiring.account(wanted.account, wanted.settings, self._telemetry, wanted.holding, self._threads)
        return _Running(account, wanted)


def _text(error: Exception) -> str:
    if isinstance(error, ExporterError):
        return str(error)
    _log.error("bug in the reload", exc_info=error)
    return f"a bug of the exporter: {type(error).__name__}; see the log, and report it"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The settings of one account, the settings of the whole file, and the hold of the account."""

    account: config.Account
    settings: config.Settings
    holding: Holding

    def is_same(self, other: _Wanted) -> bool:
        """Whether both settings make the same account."""
        same = wiring.concerns(self.account, self.settings) == wiring.concerns(other.account, other.settings)
        return same and self.holding is other.holding


@dataclass(frozen=True, slots=True)
class _Running:
    """An account, and the settings that it was made from."""

    account: Account
    made_of: _Wanted

    def close(self) -> None:
        """Close the account. A failure is logged."""
        try:
            self.account.close()
        except Exception as error:  # noqa: BLE001 - the new account must start anyway
            _log.error("bug while an account was closed", exc_info=error, extra={"account": self.account.name})


def _close(accounts: Collection[_Running]) -> None:
    """Close the accounts in parallel, because each may wait up to a second for hanging calls."""
    if accounts:
        with ThreadPoolExecutor(len(accounts)) as pool:
            list(pool.map(_Running.close, accounts))
