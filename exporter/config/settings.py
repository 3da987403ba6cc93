"""The configuration file, as validated and frozen settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from exporter.config import amounts, faults, fields, yaml_source
from exporter.config.account import Account, AccountKeys, Callback, Discovery, Track
from exporter.config.duration import format_duration
from exporter.config.section import Section, duration, either, file_key, text_or_file
from exporter.errors import ConfigError
from exporter.keys import Key

STATE_FILE = "vod-transcode-exporter.db"


class ScrapeSettings(Section):
    """How a scrape spends its time; seconds."""

    timeout: amounts.Timeout = duration("10s", "the longest that a scrape may take, whatever Prometheus allows")
    offset: amounts.Offset = duration("500ms", "taken off the scrape timeout that Prometheus sends, for the way back")
    min_interval: amounts.MinInterval = duration(
        "5s", "a scrape this soon after the last is answered without new calls"
    )
    concurrency: amounts.Concurrency = Field(default=8, description="calls in flight at once, for each account")

    @field_validator("offset")
    @classmethod
    def _less_than_timeout(cls, offset: float, info: ValidationInfo) -> float:
        timeout = info.data.get("timeout")
        if timeout is not None and offset >= timeout:
            raise fields.refused(
                f"offset ({format_duration(offset)}) is not less than timeout ({format_duration(timeout)}); "
                "lower offset or raise timeout",
                at_parent=True,
            )
        return offset


class Buckets(Section):
    """Upper bounds of the histograms, without `+Inf`: seconds, bits per second, bytes.

    The defaults are those of `exporter.tracking.totals.Buckets`.
    """

    duration: amounts.Durations = Field(
        default=("10s", "30s", "1m", "2m", "5m", "10m", "20m", "30m", "1h", "2h", "4h", "12h"),
        description="bounds of how long jobs and tasks take",
        validate_default=True,
    )
    bitrate: amounts.Amounts = Field(
        default=(
            *(64_000, 128_000, 256_000, 512_000, 1_000_000, 1_500_000, 2_000_000, 3_000_000, 4_000_000, 6_000_000),
            *(8_000_000, 12_000_000, 20_000_000, 40_000_000),
        ),
        description="bounds of the bitrate of outputs, in bits per second",
        validate_default=True,
    )
    size: amounts.Amounts = Field(
        default=(
            *(1_000_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000),
            *(1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000),
        ),
        description="bounds of the size of outputs, in bytes",
        validate_default=True,
    )


class SeriesSettings(Section):
    """Which series are shown, and for how long; seconds."""

    per_job: fields.Switch = Field(default=True, description="series for each job, beside the aggregates")
    max_jobs: amounts.MaxJobs = Field(default=5000, description="jobs with series of their own, at most")
    retention: amounts.Retention = duration("15m", "how long a finished job keeps its series")
    max_staleness: amounts.Staleness = duration("5m", "a job not refreshed for so long loses its series")
    buckets: Buckets = Field(default=Buckets(), description="bounds of the histograms")


class State(Section):
    """Where it is kept what was seen and counted. Absent: `STATE_FILE` in the working directory."""

    path: fields.FilePath | None = Field(default=None, description="file of the database; its folder must be there")
    memory: fields.Switch = Field(
        default=False, description="true: keep nothing; counters begin anew at each start", validate_default=True
    )

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["path"]},
                {"required": ["memory"], "properties": {"memory": {"not": {"const": False}}}},
            ]
        }
    )

    @field_validator("memory")
    @classmethod
    def _one_of_two(cls, memory: bool, info: ValidationInfo) -> bool:
        if "path" not in info.data:
            return memory  # its own fault is told already
        if info.data["path"] is not None and memory:
            raise fields.refused("is true beside path; keep one of the two")
        if info.data["path"] is None and not memory:
            raise fields.refused("path is missing; add path, or memory: true", at_parent=True)
        return memory


class Api(Section):
    """The registration API."""

    token: fields.TextToken | None = Field(default=None, description="bearer token of the registration API")
    token_file: fields.FileToken | None = file_key("file that holds the bearer token of the registration API")

    model_config = ConfigDict(json_schema_extra=either("token"))

    @property
    def bearer_token(self) -> Key:
        """The token, from `token` or `token_file`."""
        token = self.token or self.token_file
        assert token  # noqa: S101 - held by `_one_of_two`
        return token

    @field_validator("token_file")
    @classmethod
    def _one_of_two(cls, file: Key | None, info: ValidationInfo) -> Key | None:
        return text_or_file(file, info)


class Settings(Section):
    """The whole file. Of accounts and ids it is `load` that refuses repeats."""

    accounts: tuple[Account, ...] = Field(min_length=1, description="the accounts to watch, at least one")
    scrape: ScrapeSettings = Field(default=ScrapeSettings(), description="how a scrape spends its time")
    series: SeriesSettings = Field(default=SeriesSettings(), description="which series are shown, and for how long")
    state: State = Field(
        default_factory=lambda: State(path=Path(STATE_FILE)), description="where it is kept what was seen and counted"
    )
    api: Api | None = Field(default=None, description="registration API; absent: switched off")


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
    ("api",): Api,
}
"""Where each model stands in the file, list positions left out."""


def load(path: Path, *, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in the file at `path`; raises `ConfigError` with every fault, in the order of the file."""
    source = yaml_source.read(path, environ=environ, hidden=faults.hidden)
    settings, found = None, list(source.faults)
    if source.complete:
        settings, refused = _validate(source.data, path.absolute().parent)
        found += faults.translated(refused, source, SECTIONS)
        found += faults.repeats(source)
    if settings is None or found:
        raise ConfigError(faults.lines(found, source, path))
    return settings


def _validate(data: object, folder: Path) -> tuple[Settings | None, list[Any]]:
    # Errors leave as values: an exception in the context of ours would carry the file's keys with it.
    try:
        return Settings.model_validate(data, context=fields.FromFile(folder)), []
    except ValidationError as error:
        return None, list(error.errors(include_url=False))


def schema() -> dict[str, Any]:
    """The JSON Schema of the file as it is written: durations are text, and `${NAME}` may stand in any text."""
    tidied: dict[str, Any] = _as_written(Settings.model_json_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vod-transcode-exporter configuration",
        **tidied,
    }


def _as_written(node: Any) -> Any:
    """Without what pydantic adds and a file cannot hold: titles, nulls, defaults of whole sections."""
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
        kept.pop("description", None)  # the docstring of a model speaks to developers
    only = kept.pop("anyOf") if len(kept.get("anyOf", ())) == 1 else [{}]
    return {**only[0], **kept}
