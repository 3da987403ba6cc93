"""The configuration: reads a YAML file strictly, and returns frozen settings."""

from exporter.config.account import SHANGHAI, Account, AccountKeys, Callback, Discovery, Track
from exporter.config.billing import Billing
from exporter.config.settings import Api, Buckets, ScrapeSettings, SeriesSettings, Settings, State, load, schema

__all__ = [
    "SHANGHAI",
    "Account",
    "AccountKeys",
    "Api",
    "Billing",
    "Buckets",
    "Callback",
    "Discovery",
    "ScrapeSettings",
    "SeriesSettings",
    "Settings",
    "State",
    "Track",
    "load",
    "schema",
]
