"""The configuration: reads a YAML file strictly, and returns frozen settings."""

from exporter.config.account import Account, AccountKeys, Callback, Discovery, Track
from exporter.config.settings import Api, Buckets, ScrapeSettings, SeriesSettings, Settings, State, load, schema

__all__ = [
    "Account",
    "AccountKeys",
    "Api",
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
