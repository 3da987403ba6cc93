"""The section of one account."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config import (
    Account,
    Callback,
    Discovery,
)
from exporter.config.account import REGIONS
from exporter.keys import Key
from tests.config.conftest import MINIMAL, ROOT, load


def test_discovery_is_on_unless_switched_off(tmp_path: Path) -> None:
    track = load(MINIMAL, tmp_path).accounts[0].track
    assert track.discovery == Discovery(enabled=True, lookback=86400.0, interval=30.0)
    assert (track.files, track.give_up_after) == ((), 604800.0)


def test_the_repr_of_a_callback_does_not_show_its_url() -> None:
    callback = Callback(url="https://h/?token=CANARY", key=Key("CANARY"))
    assert "CANARY" not in f"{callback} {callback!r}"


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://vod-vpc.cn-shanghai.aliyuncs.com/", "https://vod-vpc.cn-shanghai.aliyuncs.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://simulator_1", "http://simulator_1"),
    ],
)
def test_an_endpoint_takes_precedence_over_the_region(endpoint: str, url: str) -> None:
    assert Account(name="a", region="cn-beijing", endpoint=endpoint).url == url


@pytest.mark.parametrize("region", REGIONS)
def test_each_region_of_vod_has_its_public_endpoint(region: str, tmp_path: Path) -> None:
    account = load(MINIMAL.replace("cn-shanghai", region), tmp_path).accounts[0]
    assert (account.region, account.url) == (region, f"https://vod.{region}.aliyuncs.com")


def test_the_reference_lists_the_regions() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert [region for region in (*REGIONS, "cn-hangzhou") if f"`{region}`" not in page] == []
