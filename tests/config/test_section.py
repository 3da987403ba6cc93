"""Sections are frozen, and can be created in code."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from exporter.config import (
    Account,
    ScrapeSettings,
)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        ScrapeSettings().timeout = 1.0


def test_a_section_created_in_code_has_seconds_and_the_same_ranges() -> None:
    assert ScrapeSettings(timeout=2.0).timeout == 2.0
    with pytest.raises(ValidationError):
        ScrapeSettings(timeout=float("nan"))
    with pytest.raises(ValidationError):
        Account(name="a", region="cn-shanghai", requests_per_second=float("inf"))
