"""The configuration file, as validated and frozen settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from exporter.config import faults, fields, yaml_source
from exporter.config.duration import format_duration
from exporter.errors import ConfigError
from exporter.secret import SecretText


class _Section(BaseModel):
    # Input is hidden because pydantic's own message would show keys.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _duration(default: str, description: str) -> Any:
    # Validated, so that it is written as in a file and the rules on it hold where only other keys are given.
    return Field(default=default, description=description, validate_default=True)


class Track(_Section):
    """What one account watches, by id."""

    tasks: fields.Ids = Field(
        default=(), description="ids of transcode tasks to watch, for as long as they are named here"
    )
    videos: fields.Ids = Field(default=(), description="ids of videos whose transcode tasks are watched")


class AccountKeys(_Section):
    """The keys of one account: of each pair, the text or the file that holds it.

    A path is absolute after `load`, and its file was readable then.
    """

    access_key_id: fields.KeyText | None = Field(default=None, description="AccessKey id")
    access_key_id_file: fields.KeyFile | None = Field(
        default=None, description="file that holds the AccessKey id", validate_default=True
    )
    access_key_secret: fields.KeyText | None = Field(default=None, description="AccessKey secret")
    access_key_secret_file: fields.KeyFile | None = Field(
        default=None, description="file that holds the AccessKey secret", validate_default=True
    )
    security_token: fields.KeyText | None = Field(default=None, description="STS token, with temporary keys")
    security_token_file: fields.KeyFile | None = Field(
        default=None, description="file that holds the STS token", validate_default=True
    )

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {"oneOf": [{"required": [key]}, {"required": [f"{key}_file"]}]}
                for key in ("access_key_id", "access_key_secret")
            ],
            "not": {"required": ["security_token", "security_token_file"]},
        }
    )

    @property
    def sources(self) -> tuple[SecretText | Path, SecretText | Path, SecretText | Path | None]:
        """Id, secret and token, each as its text or its file."""
        identity = self.access_key_id or self.access_key_id_file
        secret = self.access_key_secret or self.access_key_secret_file
        assert identity and secret  # noqa: S101, PT018 - held by `_one_of_two`
        return identity, secret, self.security_token or self.security_token_file

    @field_validator("access_key_id_file", "access_key_secret_file", "security_token_file")
    @classmethod
    def _one_of_two(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        key = str(info.field_name).removesuffix("_file")
        if key not in info.data:
            return path  # its own fault is told already
        if info.data[key] is not None and path is not None:
            raise fields.refused(f"is given beside {key}; keep one of the two")
        if info.data[key] is None and path is None and key != "security_token":
            raise fields.refused(f"{key} is missing; add {key} or {key}_file", at_parent=True)
        return path


class Account(_Section):
    """One credential in one region."""

    name: fields.Name = Field(description="the value of the `account` label; unique")
    region: fields.Region | None = Field(default=None, description="region of the media, such as cn-shanghai")
    endpoint: fields.Endpoint | None = Field(
        default=None,
        description="address to call in place of the region's public one: http(s)://host[:port]",
        validate_default=True,
    )
    credentials: AccountKeys | None = Field(default=None, description="keys; absent: the official provider chain")
    requests_per_second: fields.Rate = Field(
        default=10.0, description="calls a second of each operation; VOD allows 15, shared with your own applications"
    )
    track: Track = Field(default=Track(), description="what to watch")

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["region"]}, {"required": ["endpoint"]}]},
    )

    @field_validator("endpoint")
    @classmethod
    def _region_or_endpoint(cls, endpoint: str | None, info: ValidationInfo) -> str | None:
        if endpoint is None and info.data.get("region", "") is None:
            raise fields.refused("region is missing; add region, such as cn-shanghai, or endpoint", at_parent=True)
        return endpoint

    @property
    def url(self) -> str:
        """The address to call, without a slash at its end."""
        if self.endpoint:
            return self.endpoint
        # As the official SDK does: VOD has no endpoint in cn-hangzhou.
        region = "cn-shanghai" if self.region == "cn-hangzhou" else self.region
        return f"https://vod.{region}.aliyuncs.com"


class ScrapeSettings(_Section):
    """How a scrape spends its time; seconds."""

    timeout: fields.Timeout = _duration("10s", "the longest that a scrape may take, whatever Prometheus allows")
    offset: fields.Offset = _duration("500ms", "taken off the scrape timeout that Prometheus sends, for the way back")
    min_interval: fields.MinInterval = _duration(
        "5s", "a scrape this soon after the last is answered without new calls"
    )
    concurrency: fields.Concurrency = Field(default=8, description="calls in flight at once, for each account")

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


class SeriesSettings(_Section):
    """Which series are shown, and for how long; seconds."""

    per_job: fields.Switch = Field(default=True, description="series for each job, beside the aggregates")
    max_jobs: fields.MaxJobs = Field(default=5000, description="jobs with series of their own, at most")
    retention: fields.Retention = _duration("15m", "how long a finished job keeps its series")
    max_staleness: fields.Staleness = _duration("5m", "a job not refreshed for so long loses its series")


class Settings(_Section):
    """The whole file. Of accounts and ids it is `load` that refuses repeats."""

    accounts: tuple[Account, ...] = Field(min_length=1, description="the accounts to watch, at least one")
    scrape: ScrapeSettings = Field(default=ScrapeSettings(), description="how a scrape spends its time")
    series: SeriesSettings = Field(default=SeriesSettings(), description="which series are shown, and for how long")


SECTIONS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): Settings,
    ("accounts",): Account,
    ("accounts", "credentials"): AccountKeys,
    ("accounts", "track"): Track,
    ("scrape",): ScrapeSettings,
    ("series",): SeriesSettings,
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
