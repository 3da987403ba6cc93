"""The section of one account: its keys, the tasks to track, and its callback."""

from __future__ import annotations

from difflib import get_close_matches

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from exporter.config import amounts, fields
from exporter.config.duration import format_duration
from exporter.config.section import Section, duration, either, file_key, text_or_file
from exporter.keys import Key

SHANGHAI = "cn-shanghai"


class Discovery(Section):
    """How the exporter finds tasks by itself. Durations are in seconds."""

    enabled: fields.Switch = Field(default=True, description="find videos in transcoding, and track their tasks")
    lookback: amounts.Lookback = duration("24h", "maximum age of the tasks and videos that are found")
    interval: amounts.Interval = duration("30s", "minimum time between two identical requests to find videos or tasks")

    @field_validator("interval")
    @classmethod
    def _less_than_lookback(cls, interval: float, info: ValidationInfo) -> float:
        lookback = info.data.get("lookback")
        if lookback is not None and interval >= lookback:
            raise fields.refused(
                f"interval ({format_duration(interval)}) must be less than lookback ({format_duration(lookback)}); "
                "lower interval or raise lookback",
                at_parent=True,
            )
        return interval


class Track(Section):
    """The tasks to track in one account. File patterns are absolute after `load`. Durations are in seconds."""

    tasks: fields.Ids = Field(
        default=(), description="ids of transcode tasks; they are tracked as long as they are listed here"
    )
    videos: fields.Ids = Field(default=(), description="ids of videos; all their transcode tasks are tracked")
    files: fields.Patterns = Field(
        default=(), description="patterns of files with lists of ids; a file is read again when it changes"
    )
    discovery: Discovery = Field(default=Discovery(), description="how the exporter finds tasks by itself")
    give_up_after: amounts.GiveUpAfter = duration(
        "7d", "the exporter stops tracking an unfinished task after this time, unless tasks, videos or files name it"
    )


class AccountKeys(Section):
    """The keys of one account, each as a text or as a file.

    Paths are absolute after `load`, and the files were readable then.
    """

    access_key_id: fields.TextKey | None = Field(default=None, description="AccessKey id")
    access_key_id_file: fields.FileKey | None = file_key("file with the AccessKey id")
    access_key_secret: fields.TextKey | None = Field(default=None, description="AccessKey secret")
    access_key_secret_file: fields.FileKey | None = file_key("file with the AccessKey secret")
    security_token: fields.TextKey | None = Field(default=None, description="STS token; only for temporary keys")
    security_token_file: fields.FileKey | None = file_key("file with the STS token")

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
        assert identity and secret  # noqa: S101, PT018 - ensured by `_one_of_two`
        return identity, secret, self.security_token or self.security_token_file

    @field_validator("access_key_id_file", "access_key_secret_file", "security_token_file")
    @classmethod
    def _one_of_two(cls, file: Key | None, info: ValidationInfo) -> Key | None:
        return text_or_file(file, info, required=info.field_name != "security_token_file")


class Callback(Section):
    """The callback URL of one account, and the key that VOD signs its events with."""

    # `repr` leaves the URL out, because its query may contain a secret.
    url: fields.CallbackUrl = Field(description="the callback URL exactly as it is configured in VOD", repr=False)
    key: fields.TextKey | None = Field(default=None, description="authentication key of the callback, as in VOD")
    key_file: fields.FileKey | None = file_key("file with the authentication key of the callback")

    model_config = ConfigDict(json_schema_extra=either("key"))

    @property
    def signing_key(self) -> Key:
        """The authentication key, from `key` or `key_file`."""
        key = self.key or self.key_file
        assert key  # noqa: S101 - ensured by `_one_of_two`
        return key

    @field_validator("key_file")
    @classmethod
    def _one_of_two(cls, file: Key | None, info: ValidationInfo) -> Key | None:
        return text_or_file(file, info)


# https://www.alibabacloud.com/help/en/vod/user-guide/region-ids and
# https://www.alibabacloud.com/help/en/vod/developer-reference/api-vod-2017-03-21-endpoint
REGIONS = (
    *("cn-shanghai", "cn-beijing", "cn-shenzhen", "cn-hongkong", "cn-north-2-gov-1"),
    *("ap-southeast-1", "ap-southeast-5", "ap-northeast-1", "us-west-1", "eu-central-1", "me-central-1"),
)
"""The regions of VOD with a public endpoint. For cn-hangzhou, the official SDK uses the endpoint of cn-shanghai."""

_ENDPOINTS = {region: f"https://vod.{region}.aliyuncs.com" for region in REGIONS}
_ENDPOINTS["cn-hangzhou"] = _ENDPOINTS["cn-shanghai"]


class Account(Section):
    """One account: one credential in one region."""

    name: fields.Name = Field(description="value of the `account` label; must be unique")
    endpoint: fields.Endpoint | None = Field(
        default=None,
        description="endpoint to use instead of the public endpoint of the region: http(s)://host[:port]",
    )
    # After `endpoint`, because which regions are valid depends on it.
    region: fields.Region | None = Field(
        default=None, description="region of the media, for example cn-shanghai", validate_default=True
    )
    credentials: AccountKeys | None = Field(
        default=None, description="keys of the account; default: the official provider chain of Alibaba Cloud"
    )
    requests_per_second: amounts.Rate = Field(
        default=10.0,
        description="maximum calls per second of each operation; your own applications share the 15 that VOD allows",
    )
    track: Track = Field(default=Track(), description="the tasks to track")
    callback: Callback | None = Field(
        default=None, description="accept signed events of VOD; default: events are refused"
    )

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["region"], "properties": {"region": fields.text_schema("|".join(_ENDPOINTS))}},
                {"required": ["endpoint"]},
            ]
        },
    )

    @field_validator("region")
    @classmethod
    def _known_unless_endpoint(cls, region: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("endpoint", "") is not None or region in _ENDPOINTS:
            return region  # or the endpoint has a fault of its own
        if region is None:
            raise fields.refused("region is missing; add region, for example cn-shanghai, or endpoint", at_parent=True)
        meant = get_close_matches(region, REGIONS, n=1)
        guess = f"did you mean {meant[0]}? " if meant else ""
        raise fields.refused_value(
            f"is not a region of VOD; {guess}the regions are {', '.join(REGIONS)}; in any other region, add endpoint"
        )

    @property
    def url(self) -> str:
        """The endpoint to call, without a slash at the end."""
        return self.endpoint or _ENDPOINTS[self.region or ""]

    @property
    def reports_usage(self) -> bool:
        """Whether VOD answers DescribeVodTranscodeData, which it does "only in the China (Shanghai) region":
        https://www.alibabacloud.com/help/en/vod/developer-reference/api-vod-2017-03-21-describevodtranscodedata
        """
        return self.region == SHANGHAI or f".{SHANGHAI}." in self.url
