"""The configuration: reads a YAML file strictly, and returns frozen settings."""

from exporter.config.account import SHANGHAI, Account, AccountKeys, Callback, Discovery, Track
from exporter.config.amounts import MOST_CALLS
from exporter.config.billing import Billing
from exporter.config.settings import (
    HOLD_SECONDS,
    LONGEST_SCRAPE_INTERVAL_SECONDS,
    Api,
    Buckets,
    ScrapeSettings,
    SeriesSettings,
    Settings,
    load,
    schema,
)
from exporter.config.state import Postgres, State

__all__ = [
    "HOLD_SECONDS",
    "LONGEST_SCRAPE_INTERVAL_SECONDS",
    "MOST_CALLS",
    "SHANGHAI",
    "Account",
    "AccountKeys",
    "Api",
    "Billing",
    "Buckets",
    "Callback",
    "Discovery",
    "Postgres",
    "ScrapeSettings",
    "SeriesSettings",
    "Settings",
    "State",
    "Track",
    "load",
    "schema",
]
