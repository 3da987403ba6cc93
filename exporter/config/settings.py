"""The settings of the whole configuration file, how they are loaded, and their JSON Schema."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from exporter.config import amounts, faults, fields, yaml_source
from exporter.config.account import Account, AccountKeys, Callback, Discovery, Track
from exporter.config.billing import Billing
from exporter.config.duration import format_duration
from exporter.config.section import Section, duration, either, file_key, text_or_file
from exporter.config.state import Postgres, State, default_state_path
from exporter.errors import ConfigError
from exporter.keys import Key

LONGEST_SCRAPE_INTERVAL_SECONDS = 120.0  # up to which the alerts work, and `increase()` counts all
HOLD_SECONDS = LONGEST_SCRAPE_INTERVAL_SECONDS + 30.0
"""How long a new series of a counter is exposed at 0: the longest scrape interval, and a margin for a late scrape."""


class ScrapeSettings(Section):
    """The limits of a scrape. Durations are in seconds."""

    timeout: amounts.Timeout = duration("10s", "maximum duration of a scrape, even if Prometheus would wait longer")
    offset: amounts.Offset = duration(
        "500ms", "subtracted from Prometheus's scrape timeout, to leave time for the response"
    )
    min_interval: amounts.MinInterval = duration(
        "5s", "a scrape within this time after the last one shares its refresh"
    )
    concurrency: amounts.Concurrency = Field(
        default=8,
        description="calls of an account that may always be in progress at once; up to 64 if VOD answers slowly",
    )

    @field_validator("offset")
    @classmethod
    def _less_than_timeout(cls, offset: float, info: ValidationInfo) -> float:
        timeout = info.data.get("timeout")
        if timeout is not None and offset >= timeout:
            raise fields.refused(
                f"offset ({format_duration(offset)}) must be less than timeout ({format_duration(timeout)}); "
                "lower offset or raise timeout",
                at_parent=True,
            )
        return offset


class Buckets(Section):
    """Upper bounds of the histogram buckets, without `+Inf`: in seconds, bits per second and bytes."""

    duration: amounts.Durations = Field(
        default=("10s", "30s", "1m", "2m", "5m", "10m", "20m", "30m", "1h", "2h", "4h", "12h"),
        description="upper bounds of the histograms of durations",
        validate_default=True,
    )
    bitrate: amounts.Amounts = Field(
        default=(
            *(64_000, 128_000, 256_000, 512_000, 1_000_000, 1_500_000, 2_000_000, 3_000_000, 4_000_000, 6_000_000),
            *(8_000_000, 12_000_000, 20_000_000, 40_000_000),
        ),
        description="upper bounds of the histogram of output bitrates, in bits per second",
        validate_default=True,
    )
    size: amounts.Amounts = Field(
        default=(
            *(1_000_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000),
            *(1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000),
        ),
        description="upper bounds of the histogram of output sizes, in bytes",
        validate_default=True,
    )


class SeriesSettings(Section):
    """Which series the exporter has, and for how long. Durations are in seconds."""

    per_job: fields.Switch = Field(
        default=True, description="export series for each job, in addition to the aggregates"
    )
    max_jobs: amounts.MaxJobs = Field(default=5000, description="maximum number of jobs with series of their own")
    retention: amounts.Retention = duration("15m", "how long a job keeps its series after it has finished")
    max_staleness: amounts.Staleness = duration("5m", "a job that was not refreshed for this long loses its series")
    buckets: Buckets = Field(default=Buckets(), description="buckets of the histograms")


class Api(Section):
    """The registration API."""

    token: fields.TextToken | None = Field(default=None, description="bearer token of the registration API")
    token_file: fields.FileToken | None = file_key("file with the bearer token of the registration API")

    model_config = ConfigDict(json_schema_extra=either("token"))

    @property
    def bearer_token(self) -> Key:
        """The token, from `token` or `token_file`."""
        token = self.token or self.token_file
        assert token  # noqa: S101 - ensured by `_one_of_two`
        return token

    @field_validator("token_file")
    @classmethod
    def _one_of_two(cls, file: Key | None, info: ValidationInfo) -> Key | None:
        return text_or_file(file, info)


class Settings(Section):
    """The whole file. `load` also refuses repeated account names and ids."""

    accounts: tuple[Account, ...] = Field(min_length=1, description="the accounts, at least one")
    scrape: ScrapeSettings = Field(default=ScrapeSettings(), description="limits of a scrape")
    series: SeriesSettings = Field(
        default=SeriesSettings(), description="which series the exporter has, and for how long"
    )
    state: State = Field(
        default_factory=lambda: State(path=default_state_path()),
        description="where the exporter stores its state, so that counters survive a restart",
    )
    billing: Billing = Field(default=Billing(), description="what outputs cost")
    api: Api | None = Field(default=None, description="registration API; default: the API answers 403")

    @field_validator("billing")
    @classmethod
    def _usage_needs_shanghai(cls, billing: Billing, info: ValidationInfo) -> Billing:
        accounts = info.data.get("accounts")
        if billing.usage and accounts is not None and not any(account.reports_usage for account in accounts):
            raise fields.refused(
                "usage is true, but no account is in cn-shanghai, and only there VOD reports what it has billed; "
                "remove usage"
            )
        return billing


SECTIONS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): Settings,
    ("accounts",): Account,
    ("accounts", "credentials"): AccountKeys,
    ("accounts", "track"): Track,
    ("accounts", "track", "discovery"): Discovery,
    ("accounts", "callback"): Callback,
    ("scrape",): ScrapeSettings,
    ("series",): SeriesSettings,
    ("series", "buckets"): Buckets,
    ("state",): State,
    ("state", "postgres"): Postgres,
    ("billing",): Billing,
    ("api",): Api,
}
"""The model of each section, by its path in the file without the positions in lists."""


def load(path: Path, *, environ: Mapping[str, str] = os.environ) -> Settings:
    """Load the file at `path`. Raises `ConfigError` with all faults, in the order of the file."""
    source = yaml_source.read(path, environ=environ, hidden=faults.hidden)
    settings, found = None, list(source.faults)
    if source.complete:
        # A file that could only be read in part would have false faults, such as missing keys.
        settings, refused = _validate(source.data, path.absolute())
        found += faults.translated(refused, source, SECTIONS)
        found += faults.repeats(source)
    if settings is None or found:
        raise ConfigError(faults.lines(found, source, path))
    return settings


def _validate(data: object, path: Path) -> tuple[Settings | None, list[Any]]:
    # Errors are returned as values: as the context of a ConfigError, the exception would show the keys of the file.
    try:
        return Settings.model_validate(data, context=fields.FromFile(path)), []
    except ValidationError as error:
        return None, list(error.errors(include_url=False))


def schema() -> dict[str, Any]:
    """The JSON Schema of the file as people write it: durations are text, and any text may contain `${NAME}`."""
    tidied: dict[str, Any] = _as_written(Settings.model_json_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vod-transcode-exporter configuration",
        **tidied,
    }


def _as_written(node: Any) -> Any:
    """Remove what pydantic adds and a file cannot contain: titles, nulls and defaults of whole sections."""
    if isinstance(node, list):
        return [_as_written(item) for item in node if item != {"type": "null"}]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _as_written(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and isinstance(value, dict | NoneType))
    }
    if "properties" in kept:
        kept.pop("description", None)  # docstrings of models are for developers
    only = kept.pop("anyOf") if len(kept.get("anyOf", ())) == 1 else [{}]
    return {**only[0], **kept}
