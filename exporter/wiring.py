"""Makes the running parts from the settings. Nothing else creates a client, a ledger, an account or an interface."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from exporter import config
from exporter.errors import StateError, VodError
from exporter.metrics.account_telemetry import AccountTelemetry
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.account import Account
from exporter.scrape.agenda import Agenda
from exporter.scrape.calls import Calls, Recorder
from exporter.scrape.health import Health
from exporter.scrape.inbox import Inbox
from exporter.scrape.refresh import Refresh
from exporter.scrape.scraper import Scraper
from exporter.scrape.threads import Threads
from exporter.scrape.usage import BilledUsage
from exporter.snapshot import AccountSnapshot
from exporter.tracking.discovery import Discovery
from exporter.tracking.files import Files
from exporter.tracking.holdings import Alone, Holding, Holdings
from exporter.tracking.ledger import Ledger
from exporter.tracking.measured import MeasuredStore
from exporter.tracking.sources import Static
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import MemoryStore, Store
from exporter.tracking.tracker import Tracker
from exporter.tracking.videos import Videos
from exporter.tracking.view import Limits
from exporter.vod.chain import ProviderChain
from exporter.vod.client import Client
from exporter.vod.credentials import ConfiguredKeys, Credentials
from exporter.vod.limiter import Limiter
from exporter.vod.sender import Observer, ignore
from exporter.web.app import Interface
from exporter.web.callback import Callback
from exporter.web.site import Site


def scraper(settings: config.Settings, telemetry: Telemetry, store: Store) -> Scraper:
    """The scraper over all accounts of the settings."""
    threads = Threads("account")
    holding = Holding(store)
    accounts = [account(configured, settings, telemetry, holding, threads) for configured in settings.accounts]
    return Scraper(accounts, min_interval=settings.scrape.min_interval)


def interface(
    settings: config.Settings,
    scraper: Scraper,
    telemetry: Telemetry,
    *,
    site: Site | None = None,
) -> Interface:
    """The HTTP interface on the scraper."""
    return Interface(scraper, telemetry, site=site, **_answering(settings))


def configure(interface: Interface, settings: config.Settings) -> None:
    """Make the interface use these settings from now on."""
    interface.configure(**_answering(settings))


def _answering(settings: config.Settings) -> dict[str, Any]:
    return {
        "timeout": settings.scrape.timeout,
        "offset": settings.scrape.offset,
        "api_token": settings.api.bearer_token if settings.api is not None else None,
        "callbacks": {
            account.name: Callback(account.callback.url, account.callback.signing_key)
            for account in settings.accounts
            if account.callback is not None
        },
    }


def store(state: config.State, telemetry: Telemetry) -> Store:
    """The store of one exporter that the configuration names. Raises `StateError` if its file cannot be used."""
    if state.postgres is not None:
        raise StateError("state.postgres cannot be used here; set state.path")
    plain = MemoryStore() if state.path is None else SqliteStore(state.path)
    return MeasuredStore(plain, answered=lambda up: telemetry.state_answered(up=up), saved=telemetry.state_saved)


def holdings(state: config.State, telemetry: Telemetry) -> Holdings:
    """The holdings of an exporter: all accounts, or those that the replicas leave to it.

    Raises `StateError` if the file of the state cannot be used, or if psycopg is missing.
    """
    if (postgres := state.postgres) is None:
        return Alone(store(state, telemetry))
    try:
        from exporter.replicas.replica import Replica
        from exporter.replicas.session import Session
    except ImportError as error:
        raise StateError(
            f"state.postgres needs psycopg ({error}); pip install 'vod-transcode-exporter[postgres]'"
        ) from None
    name = state.replica_name
    return Replica(
        lambda: Session(postgres.key, replica=name, lease=state.lease),
        name=name,
        lease=state.lease,
        answered=lambda up: telemetry.state_answered(up=up),
        saved=telemetry.state_saved,
    )


def concerns(configured: config.Account, settings: config.Settings) -> object:
    """All settings that `account` reads. If they are equal, `account` makes equal accounts."""
    scrape = settings.scrape
    return (
        configured.model_copy(update={"callback": None}),
        settings.series,
        (scrape.timeout, scrape.concurrency),
        (settings.billing.templates, reports_usage(configured, settings)),
    )


def reports_usage(configured: config.Account, settings: config.Settings) -> bool:
    """Whether the exporter asks what VOD has billed to the account."""
    return settings.billing.usage and configured.reports_usage


def account(
    configured: config.Account, settings: config.Settings, telemetry: Telemetry, holding: Holding, threads: Threads
) -> Account:
    """The account with all its parts. Raises `StateError` if the store cannot load its state."""
    name, scrape = configured.name, settings.scrape
    limiter, usage = Limiter(configured.requests_per_second), None
    recorder, health = telemetry.account(name, usage=reports_usage(configured, settings)), Health(name)
    if reports_usage(configured, settings):
        # A client of its own, which does not report to the health of the account, and whose calls no scrape waits for.
        asker = client(configured, scrape, limiter=limiter, observer=recorder.called, allowed=holding.valid)
        usage = BilledUsage(name, config.SHANGHAI, asker, recorder, threads)
    tracker = _tracker(configured, settings, holding.store, recorder, hold=telemetry.hold)
    return joined(
        AccountSnapshot(name, configured.region or "", configured.url),
        client(configured, scrape, limiter=limiter, observer=observer(recorder, health), allowed=holding.valid),
        tracker,
        inbox=Inbox(name, holding, tracker, recorder),
        held=holding.valid,
        recorder=recorder,
        limiter=limiter,
        health=health,
        threads=threads,
        concurrency=scrape.concurrency,
        usage=usage,
    )


def joined(
    empty: AccountSnapshot,
    client: Client,
    tracker: Tracker,
    *,
    recorder: Recorder,
    limiter: Limiter,
    health: Health,
    threads: Threads,
    concurrency: int,
    usage: BilledUsage | None = None,
    inbox: Inbox | None = None,
    held: Callable[[], bool] = lambda: True,
    clock: Callable[[], float] = time.monotonic,
) -> Account:
    """The account of these parts. `clock` is the monotonic clock of its calls."""

    def prepare() -> None:
        if inbox is not None:
            inbox.take()
        tracker.name_all()

    calls = Calls(empty.name, client, tracker, recorder, health, clock=clock)
    agenda = Agenda(
        tracker,
        limiter,
        by_job_ids=lambda: calls.job_ids.usable,
        by_summaries=lambda: calls.summaries.usable,
        concurrency=concurrency,
        latency=lambda: client.latency,
        account=empty.name,
    )
    return Account(
        empty,
        client=client,
        limiter=limiter,
        tracker=tracker,
        health=health,
        refresh=Refresh(empty.name, agenda, calls, health, prepare=prepare, threads=threads),
        threads=threads,
        usage=usage,
        held=held,
    )


def _tracker(
    configured: config.Account, settings: config.Settings, store: Store, recorder: AccountTelemetry, *, hold: float
) -> Tracker:
    name, track = configured.name, configured.track
    discovery = track.discovery
    videos = Videos(interval=discovery.interval, lookback=discovery.lookback, dropped=recorder.hint_dropped)
    return Tracker(
        Ledger(
            name,
            _limits(configured, settings),
            store=store,
            buckets=settings.series.buckets,
            templates=settings.billing.templates,
            hold=hold,
            dropped=recorder.dropped,
        ),
        videos,
        [Static(tasks=track.tasks, videos=track.videos), Files(track.files, account=name, state=settings.state.path)],
        Discovery(videos, interval=discovery.interval, lookback=discovery.lookback) if discovery.enabled else None,
    )


def observer(recorder: Recorder, health: Health) -> Observer:
    """Reports every request of an account to `recorder` and to `health`."""

    def called(*, action: str, seconds: float | None, error: VodError | None) -> None:
        recorder.called(action=action, seconds=seconds, error=error)
        health.called(action=action, error=error, seconds=seconds or 0.0)

    return called


def _limits(configured: config.Account, settings: config.Settings) -> Limits:
    series = settings.series
    return Limits(
        per_job=series.per_job,
        max_jobs=series.max_jobs,
        retention=series.retention,
        max_staleness=series.max_staleness,
        give_up_after=configured.track.give_up_after,
        lookback=configured.track.discovery.lookback,
    )


def client(
    configured: config.Account,
    scrape: config.ScrapeSettings,
    *,
    limiter: Limiter | None = None,
    observer: Observer = ignore,
    allowed: Callable[[], bool] = lambda: True,
) -> Client:
    """A client of the account. Without a limiter it has its own budget, for commands that run beside the exporter."""
    return Client(
        endpoint=configured.url,
        credentials=credentials(configured),
        limiter=limiter or Limiter(configured.requests_per_second),
        timeout=scrape.timeout,
        connections=config.MOST_CALLS,
        observer=observer,
        account=configured.name,
        allowed=allowed,
    )


def credentials(configured: config.Account) -> Credentials:
    """The keys of the account, or the official provider chain if the configuration has no keys."""
    if configured.credentials is None:
        return ProviderChain()
    identity, secret, token = configured.credentials.keys
    return ConfiguredKeys(access_key_id=identity, access_key_secret=secret, security_token=token)
