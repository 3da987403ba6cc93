"""Settings -> the running parts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from exporter import config
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.account import Account
from exporter.scrape.scraper import Scraper
from exporter.tracking.discovery import Discovery
from exporter.tracking.files import Files
from exporter.tracking.ledger import Ledger
from exporter.tracking.sources import Static
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import MemoryStore, Store
from exporter.tracking.videos import Videos
from exporter.tracking.view import Limits
from exporter.vod.client import Client
from exporter.vod.credentials import ConfiguredKeys, Credentials, ProviderChain
from exporter.vod.limiter import Limiter
from exporter.web.app import Interface
from exporter.web.callback import Callback

_T = TypeVar("_T")


def scraper(settings: config.Settings, telemetry: Telemetry, store: Store) -> Scraper:
    """The scraper over all accounts of the settings."""
    accounts = [account(one, settings, telemetry, store) for one in settings.accounts]
    return Scraper(accounts, min_interval=settings.scrape.min_interval)


def interface(
    settings: config.Settings, scraper: Scraper, telemetry: Telemetry, *, telemetry_path: str = "/metrics"
) -> Interface:
    """The HTTP interface on the scraper."""
    return _told(settings, partial(Interface, scraper, telemetry, telemetry_path=telemetry_path))


def configure(interface: Interface, settings: config.Settings) -> None:
    """Have the interface answer as the settings say."""
    _told(settings, interface.configure)


def _told(settings: config.Settings, who: Callable[..., _T]) -> _T:
    return who(
        timeout=settings.scrape.timeout,
        offset=settings.scrape.offset,
        api_token=settings.api.bearer_token if settings.api is not None else None,
        callbacks={
            one.name: Callback(one.callback.url, one.callback.signing_key)
            for one in settings.accounts
            if one.callback is not None
        },
    )


def store(state: config.State) -> Store:
    """Raises `StateError` where the file cannot be used."""
    return MemoryStore() if state.path is None else SqliteStore(state.path)


def concerns(one: config.Account, settings: config.Settings) -> object:
    """All of the settings that `account` reads: where these are equal, so are the accounts."""
    scrape = settings.scrape
    return one.model_copy(update={"callback": None}), settings.series, scrape.timeout, scrape.concurrency


def account(one: config.Account, settings: config.Settings, telemetry: Telemetry, store: Store) -> Account:
    recorder = telemetry.account(one.name)
    series = settings.series
    limits = Limits(
        per_job=series.per_job,
        max_jobs=series.max_jobs,
        retention=series.retention,
        max_staleness=series.max_staleness,
        give_up_after=one.track.give_up_after,
        lookback=one.track.discovery.lookback,
    )
    found = one.track.discovery
    videos = Videos(interval=found.interval, lookback=found.lookback)
    return Account(
        name=one.name,
        region=one.region or "",
        endpoint=one.url,
        connect=partial(
            Client,
            endpoint=one.url,
            credentials=credentials(one),
            timeout=settings.scrape.timeout,
            connections=settings.scrape.concurrency,
        ),
        requests_per_second=one.requests_per_second,
        ledger=Ledger(one.name, limits, store=store, buckets=series.buckets, dropped=recorder.dropped),
        videos=videos,
        sources=[Static(tasks=one.track.tasks, videos=one.track.videos), Files(one.track.files, account=one.name)],
        discovery=Discovery(videos, interval=found.interval, lookback=found.lookback) if found.enabled else None,
        recorder=recorder,
        concurrency=settings.scrape.concurrency,
    )


def client(one: config.Account, scrape: config.ScrapeSettings) -> Client:
    """A client with a budget of its own, for commands that run beside the exporter."""
    return Client(
        endpoint=one.url,
        credentials=credentials(one),
        limiter=Limiter(one.requests_per_second),
        timeout=scrape.timeout,
        connections=scrape.concurrency,
    )


def credentials(one: config.Account) -> Credentials:
    if one.credentials is None:
        return ProviderChain()
    identity, secret, token = one.credentials.keys
    return ConfiguredKeys(access_key_id=identity, access_key_secret=secret, security_token=token)
