"""The configuration file: which files load, and which faults others have."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter import config
from exporter.config import (
    Account,
    AccountKeys,
    Api,
    Billing,
    Buckets,
    Callback,
    Discovery,
    Postgres,
    ScrapeSettings,
    SeriesSettings,
    Settings,
    State,
    Track,
)
from exporter.config.settings import SECTIONS
from exporter.errors import ConfigError
from exporter.keys import Key
from exporter.text import clean
from tests.config.conftest import BAD, DATA, ENVIRON, EXAMPLE, GOOD, MINIMAL, load


def test_each_bad_file_is_refused_with_exactly_the_faults_that_it_expects() -> None:
    """The file starts with `# expect: LINE: ...` lines: these are all its faults, in our words."""
    for path in BAD:
        expected = re.findall(r"^# expect: (.*)$", path.read_bytes().decode(errors="replace"), re.MULTILINE)
        with pytest.raises(ConfigError) as caught:
            config.load(path, environ=ENVIRON)
        assert expected, path.name
        assert [fault.removeprefix(f"{path}:") for fault in caught.value.faults] == expected, path.name
        shown = str(caught.value)
        assert "CANARY" not in re.sub("CANARY_VARIABLE", "", shown), path.name
        assert not re.search(r"pydantic|Input should|valid string|Extra inputs|is invalid; see", shown), path.name


@pytest.mark.parametrize("path", [*GOOD, EXAMPLE], ids=lambda path: path.name)
def test_each_good_file_loads_and_is_valid_for_the_schema(path: Path) -> None:
    config.load(path, environ=ENVIRON)
    document = yaml.safe_load(path.read_text("utf-8-sig"))
    jsonschema.Draft202012Validator(config.schema()).validate(document)


def test_a_full_file_loads_into_seconds_and_absolute_paths() -> None:
    loaded = config.load(DATA / "full.good.yml", environ=ENVIRON)
    prod, intranet, chain = loaded.accounts
    assert prod.credentials
    assert prod.credentials.access_key_secret_file == Key(DATA / "key.txt")
    assert prod.credentials.keys == (prod.credentials.access_key_id, Key(DATA / "key.txt"), None)
    assert prod.track == Track(
        tasks=("3d705f385b23438385a2bdd6c4e3a1b2", "0123"),
        videos=("a_b-C",),
        files=(f"{DATA}/tasks/*.yml", "/srv/lists/**/[ab].json", f"{DATA}/../cn-beijing.yml"),
        discovery=Discovery(enabled=False, lookback=7200.0, interval=60.0),
        give_up_after=129600.0,
    )
    assert prod.callback
    assert prod.callback.url == "https://exporter.example.com:8443/callback/prod?a=b%20c"
    assert prod.callback.signing_key == Key("CANARYKEY")
    assert intranet.callback
    assert intranet.callback.signing_key == Key(DATA / "key.txt")
    assert chain.callback is None
    assert chain.track == Track()
    assert (prod.requests_per_second, intranet.requests_per_second) == (2.5, 10.0)
    assert (prod.url, intranet.url) == ("https://vod.cn-beijing.aliyuncs.com", "http://127.0.0.1:8080")
    assert chain.credentials is None
    assert chain.url == "https://vod.cn-shanghai.aliyuncs.com"  # cn-hangzhou
    assert loaded.scrape == ScrapeSettings(timeout=20.0, offset=0.0, min_interval=0.0, concurrency=4)
    buckets = Buckets(duration=(0.5, 60.0), bitrate=(2.5, 1000.0), size=(0.5,))
    assert loaded.series == SeriesSettings(
        per_job=True, max_jobs=100, retention=5400.0, max_staleness=90.0, buckets=buckets
    )
    assert loaded.state == State(path=DATA / ".." / "state" / "$x.db")
    assert loaded.billing == Billing(
        currency="EUR",
        prices={"H264.HD": 2.5, "Audio": 0.0},
        templates={"0a1b": "H264.HD.NarrowBandHDV1", "42": "Segmentation"},
        usage=True,
    )
    assert loaded.api
    assert loaded.api.bearer_token == Key("CANARY.CANARY=CANARY")


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"region": "cn-shanghai"}, True),
        ({"region": "cn-hangzhou"}, True),  # has the endpoint of cn-shanghai
        ({"endpoint": "https://vod-vpc.cn-shanghai.aliyuncs.com"}, True),
        ({"region": "cn-shanghai", "endpoint": "http://127.0.0.1:8080"}, True),
        ({"region": "cn-beijing"}, False),
        ({"endpoint": "http://127.0.0.1:8080"}, False),
    ],
)
def test_only_accounts_in_shanghai_report_their_usage(where: dict[str, str], expected: bool) -> None:
    assert Account(name="a", **where).reports_usage is expected  # type: ignore[arg-type]


def test_a_state_in_memory_has_no_path_and_a_token_may_be_in_a_file() -> None:
    loaded = config.load(DATA / "state_memory.good.yml", environ={})
    assert (loaded.state.path, loaded.state.memory) == (None, True)
    assert loaded.api
    assert loaded.api.bearer_token == Key(DATA / "token.txt")


def test_without_their_sections_the_state_has_a_default_file_and_the_api_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    monkeypatch.chdir(tmp_path)
    loaded = load(MINIMAL, tmp_path / "etc")
    assert (loaded.state.path, loaded.state.memory) == (tmp_path / "vod-transcode-exporter.db", False)
    assert loaded.api is None
    assert loaded.accounts[0].callback is None


@pytest.mark.parametrize("folders", ["{0}/vod", "{0}/vod:{0}/other"])
def test_the_state_is_in_the_folder_that_systemd_made_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: str
) -> None:
    """Without it, the working folder of a unit is `/`."""
    monkeypatch.setenv("STATE_DIRECTORY", folders.format(tmp_path))
    assert load(MINIMAL, tmp_path).state.path == tmp_path / "vod" / "vod-transcode-exporter.db"


def test_a_missing_file_and_a_directory_are_faults_of_line_1(tmp_path: Path) -> None:
    for path, reason in [(tmp_path / "none.yml", "No such file or directory"), (tmp_path, "Is a directory")]:
        with pytest.raises(ConfigError) as caught:
            config.load(path, environ={})
        assert caught.value.faults == (f"{path}:1: cannot be read ({reason}); name a readable YAML file",)


KEYS = [*sorted({name for model in SECTIONS.values() for name in model.model_fields}), "x", "", "é\n"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
    | st.sampled_from(["30s", "prod", "cn-shanghai", "http://h", "${EMPTY}", "${REGION}", "${", "."]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=30,
)  # fmt: skip
FAULT = re.compile(r"\S+/config\.yml:[1-9][0-9]*: \S.*")


def _loads_or_explains(text: str, folder: Path) -> None:
    try:
        load(text, folder)
    except ConfigError as error:
        found = error.faults
    else:
        return
    assert found
    assert all(FAULT.fullmatch(fault) and clean(fault) == fault for fault in found)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=st.dictionaries(st.sampled_from(["accounts", "scrape", "series", "x"]), VALUES) | VALUES)
def test_any_data_loads_or_is_explained(document: object, tmp_path: Path) -> None:
    _loads_or_explains(yaml.safe_dump(document, allow_unicode=True), tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8")) | st.text(":-?[]{},&*!|>'\"%@` \n\tab01~$<=#.accounts", max_size=80))
def test_any_text_loads_or_is_explained(text: str, tmp_path: Path) -> None:
    _loads_or_explains(text, tmp_path)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_good_file_with_a_piece_cut_out_loads_or_is_explained(data: Any, tmp_path: Path) -> None:
    shutil.copy(DATA / "key.txt", tmp_path)
    text = (DATA / "full.good.yml").read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    _loads_or_explains(text[:start] + text[end:], tmp_path)


def test_every_section_is_listed() -> None:
    """The faults of a key depend on `SECTIONS`."""
    accounts = {Account, AccountKeys, Track, Discovery, Callback}
    assert set(SECTIONS.values()) == accounts | {
        Settings,
        ScrapeSettings,
        SeriesSettings,
        Buckets,
        State,
        Postgres,
        Billing,
        Api,
    }
