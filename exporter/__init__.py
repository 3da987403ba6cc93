"""Prometheus exporter for the transcode tasks of ApsaraVideo VOD.

The names in `__all__` are stable, and docs/embedding.md shows how to use them. All other names may change in any
version. They are imported when they are used, so that `import exporter` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exporter.config import Settings as Settings
    from exporter.config import load as load_settings
    from exporter.embedding import VodCollector as VodCollector
    from exporter.errors import ConfigError as ConfigError
    from exporter.errors import StateError as StateError

__version__ = "0.1.0"

__all__ = ["ConfigError", "Settings", "StateError", "VodCollector", "__version__", "load_settings"]

_PLACES = {
    "ConfigError": ("exporter.errors", "ConfigError"),
    "Settings": ("exporter.config", "Settings"),
    "StateError": ("exporter.errors", "StateError"),
    "VodCollector": ("exporter.embedding", "VodCollector"),
    "load_settings": ("exporter.config", "load"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = _PLACES[name]
    return getattr(import_module(module), there)
