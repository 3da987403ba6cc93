"""The configuration: a YAML file, read strictly, as frozen settings."""

from exporter.config.settings import Account, AccountKeys, ScrapeSettings, SeriesSettings, Settings, Track, load, schema

__all__ = ["Account", "AccountKeys", "ScrapeSettings", "SeriesSettings", "Settings", "Track", "load", "schema"]
