"""One account of the file: its keys, what it watches, its events."""

from __future__ import annotations

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from exporter.config import amounts, fields
from exporter.config.duration import format_duration
from exporter.config.section import Section, duration, either, file_key, text_or_file
from exporter.keys import Key


class Discovery(Section):
    """How videos that transcode are found; seconds."""

    enabled: fields.Switch = Field(default=True, description="find videos that transcode, and watch their tasks")
    lookback: amounts.Lookback = duration("24h", "how old a task may be to be found, and a video to be asked about")
    interval: amounts.Interval = duration("30s", "the same question again after this long, at the soonest")

    @field_validator("interval")
    @classmethod
    def _less_than_lookback(cls, interval: float, info: ValidationInfo) -> float:
        lookback = info.data.get("lookback")
        if lookback is not None and interval >= lookback:
            raise fields.refused(
                f"interval ({format_duration(interval)}) is not less than lookback ({format_duration(lookback)}); "
                "lower interval or raise lookback",
                at_parent=True,
            )
        return interval


class Track(Section):
    """What one account watches, and for how long. Patterns of files are absolute after `load`."""

    tasks: fields.Ids = Field(
        default=(), description="ids of transcode tasks to watch, for as long as they are named here"
    )
    videos: fields.Ids = Field(default=(), description="ids of videos whose transcode tasks are watched")
    files: fields.Patterns = Field(default=(), description="patterns of files that list ids, re-read when they change")
    discovery: Discovery = Field(default=Discovery(), description="finds videos that transcode")
    give_up_after: amounts.GiveUpAfter = duration(
        "7d", "a task that nothing names is given up when it has not ended for so long"
    )


class AccountKeys(Section):
    """The keys of one account: of each pair, the text or the file that holds it.

    A path is absolute after `load`, and its file was readable then.
    """

    access_key_id: fields.TextKey | None = Field(default=None, description="AccessKey id")
    access_key_id_file: fields.FileKey | None = file_key("file that holds the AccessKey id")
    access_key_secret: fields.TextKey | None = Field(default=None, description="AccessKey secret")
    access_key_secret_file: fields.FileKey | None = file_key("file that holds the AccessKey secret")
    security_token: fields.TextKey | None = Field(default=None, description="STS token, with temporary keys")
    security_token_file: fields.FileKey | None = file_key("file that holds the STS token")

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                either("access_key_id"),
                either("access_key_secret"),
            ],
            "not": {"required": ["security_token", "security_token_file"]},
        }
    )

    @property
    def keys(self) -> tuple[Key, Key, Key | None]:
        """AccessKey id, AccessKey secret and STS token."""
        identity = self.access_key_id or self.access_key_id_file
        secret = self.access_key_secret or self.access_key_secret_file
        assert identity and secret  # noqa: S101, PT018 - held by `_one_of_two`
        return identity, secret, self.security_token or self.security_token_file

    @field_validator("access_key_id_file", "access_key_secret_file", "security_token_file")
    @classmethod
    def _one_of_two(cls, file: Key | None, info: ValidationInfo) -> Key | None:
        return text_or_file(file, info, required=info.field_name != "security_token_file")


class Callback(Section):
    """Where VOD sends the events of one account, and the key that it signs them with."""

    # Not shown: its query may hold a secret.
    url: fields.CallbackUrl = Field(description="address of the callback, to the letter as VOD has it", repr=False)
    key: fields.TextKey | None = Field(default=None, description="authentication key of the callback")
    key_file: fields.FileKey | None = file_key("file that holds the authentication key of the callback")

    model_config = ConfigDict(json_schema_extra=either("key"))

    @property
    def signing_key(self) -> Key:
        """The authentication key, from `key` or `key_file`."""
        key = self.key or self.key_file
        assert key  # noqa: S101 - held by `_one_of_two`
        return key

    @field_validator("key_file")
    @classmethod
    def _one_of_two(cls, file: Key | None, info: ValidationInfo) -> Key | None:
        return text_or_file(file, info)


class Account(Section):
    """One credential in one region."""

    name: fields.Name = Field(description="the value of the `account` label; unique")
    region: fields.Region | None = Field(default=None, description="region of the media, such as cn-shanghai")
    endpoint: fields.Endpoint | None = Field(
        default=None,
        description="address to call in place of the region's public one: http(s)://host[:port]",
        validate_default=True,
    )
    credentials: AccountKeys | None = Field(default=None, description="keys; absent: the official provider chain")
    requests_per_second: amounts.Rate = Field(
        default=10.0, description="calls a second of each operation; VOD allows 15, shared with your own applications"
    )
    track: Track = Field(default=Track(), description="what to watch")
    callback: Callback | None = Field(default=None, description="signed events of VOD; absent: they are refused")

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
