"""Reads the files that the flags name: the configuration, and the web configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

from exporter import config, reading
from exporter.command.flags import CONFIG_FILE
from exporter.errors import ConfigError
from exporter.websecurity.current import WebConfig


def settings(args: argparse.Namespace) -> config.Settings:
    """The configuration of `--config.file`. Raises `ConfigError` with its faults, or if there is no file."""
    path: Path = args.config_file
    if path == CONFIG_FILE and _is_missing(path):
        raise ConfigError(
            [f"no {path} in this folder; pass your configuration with --config.file=FILE, or try the demo command"]
        )
    return config.load(path)


def _is_missing(path: Path) -> bool:
    try:
        reading.status(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # what is wrong with the file is a fault of the configuration
    return False


def web(args: argparse.Namespace) -> WebConfig | None:
    """The web configuration of `--web.config.file`, if that is given. Raises `ConfigError` with its faults."""
    return WebConfig(args.web_config_file) if args.web_config_file is not None else None
