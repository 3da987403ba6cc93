"""Configuration files for tests, and how tests load them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter import config
from exporter.config import (
    Settings,
)
from exporter.errors import ConfigError

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "config"
EXAMPLE = ROOT / "deploy" / "config.example.yml"
BAD = sorted(DATA.glob("*.bad.yml"))
GOOD = sorted(DATA.glob("*.good.yml"))
ENVIRON = {"EMPTY": "", "CANARY_VARIABLE": "CANARY value", "REGION": "cn-beijing", "RATE": "2.5", "TRUE": "true"}

MINIMAL = "accounts:\n  - name: prod\n    region: cn-shanghai\n"


def load(text: str, folder: Path, environ: Mapping[str, str] = ENVIRON) -> Settings:
    path = folder / "config.yml"
    path.write_bytes(text.encode())
    return config.load(path, environ=environ)


def faults(text: str, folder: Path, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, folder, environ)
    return [fault.removeprefix(f"{folder}/config.yml:") for fault in caught.value.faults]
