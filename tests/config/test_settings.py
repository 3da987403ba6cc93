"""The configuration file: which files load, which faults others have, and that no fault shows a key."""

from __future__ import annotations

import glob
import json
import re
import shutil
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from exporter import config
from exporter.config import (
    Account,
    AccountKeys,
    Api,
    Buckets,
    Callback,
    Discovery,
    ScrapeSettings,
    SeriesSettings,
    Settings,
    State,
    Track,
    yaml_source,
)
from exporter.config.faults import hidden, translated
from exporter.config.settings import SECTIONS
from exporter.errors import ConfigError
from exporter.keys import Key
from exporter.text import clean

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


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name.removesuffix(".bad.yml"))
def test_each_bad_file_is_refused_with_exactly_the_faults_that_it_expects(path: Path) -> None:
    """The file starts with `# expect: LINE: ...` lines: these are all its faults, in order."""
    expected = re.findall(r"^# expect: (.*)$", path.read_bytes().decode(errors="replace"), re.MULTILINE)
    with pytest.raises(ConfigError) as caught:
        config.load(path, environ=ENVIRON)
    assert expected
    assert [fault.removeprefix(f"{path}:") for fault in caught.value.faults] == expected
    assert "CANARY" not in re.sub("CANARY_VARIABLE", "", str(caught.value))


@pytest.mark.parametrize("path", [*GOOD, EXAMPLE], ids=lambda path: path.name)
def test_each_good_file_loads_and_is_valid_for_the_schema(path: Path) -> None:
    config.load(path, environ=ENVIRON)
    document = yaml.safe_load(path.read_text("utf-8-sig"))
    jsonschema.Draft202012Validator(config.schema()).validate(document)


def test_the_example_begins_with_its_schema_and_shows_every_default() -> None:
    loaded = config.load(EXAMPLE, environ={})
    assert EXAMPLE.read_text().splitlines()[0] == "# yaml-language-server: $schema=./config.schema.json"
    assert loaded.scrape == ScrapeSettings()
    assert loaded.series == SeriesSettings()
    track = loaded.accounts[0].track
    assert track == Track(tasks=track.tasks)
    text = EXAMPLE.read_text()
    written = {f"{name}:" for model in SECTIONS.values() for name in model.model_fields}
    both_forms = {"access_key_id_file:", "access_key_secret:", "security_token:"}
    assert {key for key in written if key not in text} <= both_forms


def test_the_committed_schema_is_current() -> None:
    """`python -m exporter.config > deploy/config.schema.json` updates it."""
    schema = config.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert (ROOT / "deploy" / "config.schema.json").read_text() == json.dumps(schema, indent=2) + "\n"


@pytest.mark.parametrize(
    "name",
    [
        *("unknown_key", "name_charset", "region_odd", "region_missing", "endpoint_path", "rate_zero", "id_digits"),
        *("duration_number", "duration_unit", "concurrency_range", "credentials_id_alone", "credentials_both_forms"),
        *("accounts_empty", "no_accounts", "id_twice", "section_without_keys", "per_job_text"),
        *("files_text", "files_empty_item", "files_number", "discovery_switch", "discovery_unknown"),
        *("callback_text", "callback_url_missing", "callback_url_odd", "callback_url_space", "callback_key_missing"),
        *("callback_both_forms", "state_both", "state_neither", "state_path_empty", "state_memory_text"),
        *("api_empty", "api_both_forms", "api_token_short", "api_token_number"),
        *("buckets_empty", "buckets_many", "buckets_zero", "buckets_duration_unit", "buckets_size_text"),
    ],
)
def test_the_schema_refuses_what_an_editor_can_know(name: str) -> None:
    document = yaml.safe_load((DATA / f"{name}.bad.yml").read_text())
    assert not jsonschema.Draft202012Validator(config.schema()).is_valid(document)


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
    assert loaded.api
    assert loaded.api.bearer_token == Key("CANARY.CANARY=CANARY")


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


def test_discovery_is_on_unless_switched_off(tmp_path: Path) -> None:
    track = load(MINIMAL, tmp_path).accounts[0].track
    assert track.discovery == Discovery(enabled=True, lookback=86400.0, interval=30.0)
    assert (track.files, track.give_up_after) == ((), 604800.0)


def test_a_folder_name_with_wildcards_is_not_a_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "[x]*"
    folder.mkdir()
    (folder / "a.yml").touch()
    (pattern,) = load(MINIMAL + "    track: {files: ['*.y?l']}\n", folder).accounts[0].track.files
    assert sorted(glob.glob(pattern)) == [f"{folder}/a.yml", f"{folder}/config.yml"]  # noqa: PTH207


@pytest.mark.parametrize("count", [1, 50])
def test_a_histogram_has_1_to_50_bounds(count: int, tmp_path: Path) -> None:
    bounds = list(range(1, count + 1))
    loaded = load(MINIMAL + f"series: {{buckets: {{size: {bounds}}}}}\n", tmp_path)
    assert loaded.series.buckets.size == tuple(map(float, bounds))
    assert loaded.series.buckets.bitrate == Buckets().bitrate


@pytest.mark.parametrize(
    ("lookback", "interval", "give_up", "seconds"),
    [("10m", "5s", "1h", (600.0, 5.0, 3600.0)), ("30d", "1h", "365d", (2592000.0, 3600.0, 31536000.0))],
)
def test_the_ranges_include_their_ends(
    lookback: str, interval: str, give_up: str, seconds: tuple[float, ...], tmp_path: Path
) -> None:
    text = f"    track: {{discovery: {{lookback: {lookback}, interval: {interval}}}, give_up_after: {give_up}}}\n"
    track = load(MINIMAL + text, tmp_path).accounts[0].track
    assert (track.discovery.lookback, track.discovery.interval, track.give_up_after) == seconds


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0.0])
def test_no_bound_is_infinite(value: float) -> None:
    with pytest.raises(ValidationError):
        Buckets(size=(1.0, value))


@pytest.mark.parametrize(
    "url",
    [
        *("http://h", "https://h/", "https://h:1/callback/prod?x=%20&y=1#z", "HTTPS://H/", "https://u:p@h/", "//h/"),
        *("https:///x", "https://h/a b", "https://h/\u00a0", "ftp://h/", "https://?x", "https://h/\u200b", ""),
    ],
)
def test_a_callback_address_is_kept_to_the_letter_or_refused(url: str, tmp_path: Path) -> None:
    good = url in ("http://h", "https://h/", "https://h:1/callback/prod?x=%20&y=1#z", "https://u:p@h/")
    text = MINIMAL + f"    callback: {{url: {json.dumps(url)}, key: x}}\n"
    if good:
        callback = load(text, tmp_path).accounts[0].callback
        assert callback
        assert callback.url == url
    else:
        (fault,) = faults(text, tmp_path)
        assert fault.startswith("4: accounts[0].callback.url: is not a URL; ")


def test_the_repr_of_a_callback_does_not_show_its_url() -> None:
    callback = Callback(url="https://h/?token=CANARY", key=Key("CANARY"))
    assert "CANARY" not in f"{callback} {callback!r}"


def test_paths_start_at_the_folder_of_the_file_not_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "id").write_text("an-id\n")
    text = MINIMAL + "    credentials: {access_key_id_file: id, access_key_secret: s}\n"
    (tmp_path / "etc" / "config.yml").write_text(text)
    monkeypatch.chdir(tmp_path)
    keys = config.load(Path("etc/config.yml"), environ={}).accounts[0].credentials
    assert keys
    assert keys.access_key_id_file == Key(tmp_path / "etc" / "id")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        ScrapeSettings().timeout = 1.0


def test_a_section_made_in_code_takes_seconds_and_obeys_the_same_ranges() -> None:
    assert ScrapeSettings(timeout=2.0).timeout == 2.0
    with pytest.raises(ValidationError):
        ScrapeSettings(timeout=float("nan"))
    with pytest.raises(ValidationError):
        Account(name="a", region="cn-shanghai", requests_per_second=float("inf"))


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


@pytest.mark.parametrize(
    "endpoint",
    [
        *("https://", "https:///", "ftp://canary", "HTTP//canary", "https://canary?k=v", "https://h#canary"),
        *("http://canary:0", "http://canary:65536", "http://canary h", "http://canary..h", "http://[canary]", ""),
    ],
)
def test_other_addresses_are_refused_and_not_shown(endpoint: str, tmp_path: Path) -> None:
    (fault,) = faults(f"accounts:\n  - name: a\n    endpoint: '{endpoint}'\n", tmp_path)
    assert fault.startswith("3: accounts[0].endpoint: ")
    assert "canary" not in fault


@pytest.mark.parametrize("region", ["cn-shanghai", "us-west-1", "cn-north-2-gov-1", "xx-new-place-9"])
def test_an_unknown_region_is_accepted(region: str, tmp_path: Path) -> None:
    assert load(MINIMAL.replace("cn-shanghai", region), tmp_path).accounts[0].region == region


def test_numbers_durations_and_booleans_may_come_from_the_environment(tmp_path: Path) -> None:
    text = MINIMAL + "scrape: {timeout: '${T}', concurrency: '${C}'}\nseries: {per_job: '${P}'}\n"
    loaded = load(text, tmp_path, {"T": "7s", "C": "3", "P": "false"})
    assert (loaded.scrape.timeout, loaded.scrape.concurrency, loaded.series.per_job) == (7.0, 3, False)


@pytest.mark.parametrize("key", ["timeout: '${V}'", "concurrency: '${V}'", "offset: ${V}", "concurrency: x${V}"])
def test_a_wrong_value_from_the_environment_is_shown_as_written(key: str, tmp_path: Path) -> None:
    (fault,) = faults(MINIMAL + f"scrape:\n  {key}\n", tmp_path, {"V": "CANARY"})
    assert "${V}" in fault
    assert "CANARY" not in fault


def test_faults_stand_in_the_order_of_the_file_and_name_it(tmp_path: Path) -> None:
    found = faults((DATA / "all_at_once.bad.yml").read_text(), tmp_path)
    lines = [int(fault.partition(":")[0]) for fault in found]
    assert len(found) > 10
    assert lines == sorted(lines)


def test_a_missing_file_and_a_directory_are_faults_of_line_1(tmp_path: Path) -> None:
    for path, reason in [(tmp_path / "none.yml", "No such file or directory"), (tmp_path, "Is a directory")]:
        with pytest.raises(ConfigError) as caught:
            config.load(path, environ={})
        assert caught.value.faults == (f"{path}:1: cannot be read ({reason}); name a readable YAML file",)


def test_a_name_with_a_line_break_forges_no_line(tmp_path: Path) -> None:
    path = tmp_path / "a\nb\x1b.yml"
    path.write_text("x: 1\n")
    with pytest.raises(ConfigError) as caught:
        config.load(path, environ={})
    assert all("a\ufffdb\ufffd.yml:1: " in fault for fault in caught.value.faults)


CANARY = "CANARYxCANARYxCANARYxCANARYx30"

# What may stand where a key belongs.
SPOILED = [
    *("{c}", "'{c}", '"{c}', "*{c}", "&{c} x", "&x {c}", "!{c} x", "!!{c} x", "!x {c}", "{c}: x", "x: {c}", "[{c}]"),
    *("{{{c}: no}}", "{{{c}: 1, {c}: 2}}", "[{c}", "{{{c}", "@{c}", "%{c}", "`{c}", "| {c}", ">{c}", "? {c}", "- {c}"),
    *("${{{c}-x}}", "${{{c}", "${{ {c} }}", '"\\x{c}"', '"\\u{c}"', "{c}\n   {c}", "'{c} {c}'", "'{c}\\n'", "'{c}é'"),
    *("{c}\n  {c}: x", "<<: {c}", "'{c} # {c}'", "'{c}\x07'", "[{{{c}: {{{c}: [no]}}}}]", "${{EMPTY}}{c}", "\t{c}"),
    *("${{SECRET}} ", "'${{SECRET}} x'", "? [{c}]\n      : x", "\n        {c}: no\n        {c}: no", "!!binary {c}"),
    *("${{MISSING}}{c}", "{c}?", "'{c}/../{c}'", "|\n          {c}", "'012{c}", "? {c}\n      : {c}\n"),
]
PLACES = [
    "    credentials: {}\n",
    "    credentials:\n      access_key_id: {}\n",
    "    credentials:\n      access_key_id: x\n      access_key_secret: {}\n",
    "    credentials:\n      access_key_id: x\n      access_key_secret_file: {}\n",
    "    credentials:\n      access_key_id: x\n      security_token: {}\n",
    "    credentials:\n      acess_key_secret: {}\n",
    "    credentials:\n      - {}\n",
    "    access_key_secret: {}\n",
    "    endpoint: {}\n",
    "    endpoint: https://{}@host\n",
    "    endpoint: https://host/?key={}\n",
    "    credentails:\n      access_key_secret: {}\n",
    "    callback: {}\n",
    "    callback:\n      url: {}\n",
    "    callback:\n      url: https://h/\n      key: {}\n",
    "    callback:\n      url: https://h/\n      key_file: {}\n",
    "    callback:\n      url: https://h/\n      {}\n",
    "api: {}\n",
    "api:\n      token: {}\n",
    "api:\n      token_file: {}\n",
    "api:\n      {}\n",
    "state:\n      redis: redis://{}@h\n",
]


@pytest.mark.parametrize("place", PLACES)
def test_no_fault_shows_a_key_however_the_file_is_broken(place: str, tmp_path: Path) -> None:
    """The traceback, the context of the exception and the settings (if the file loads) show no key either."""
    for spoiled in SPOILED:
        text = MINIMAL + place.replace("{}", spoiled.format(c=CANARY))
        shown = ""
        try:
            loaded = load(text, tmp_path, {"SECRET": CANARY, "EMPTY": ""})
            shown = f"{loaded!r} {loaded} {loaded.model_dump()} {loaded.model_dump_json()}"
        except ConfigError as error:
            shown = f"{error!r} {''.join(traceback.format_exception(error))} {error.__context__!r}"
        assert shown
        assert "CANARYx" not in shown, spoiled


@pytest.mark.parametrize("key", ["access_key_secret", "acess_key", "SecurityToken", "endpoint", "password"])
def test_a_value_that_may_be_a_key_is_never_shown(key: str) -> None:
    source = yaml_source.parse(f"{key}: CANARY\n", environ={}, hidden=hidden)
    error = {"type": "value", "loc": (key,), "input": "CANARY", "ctx": {"text": "is wrong"}}
    (fault,) = translated([error], source, SECTIONS)
    assert fault.text == "the value is wrong"


def test_no_message_of_pydantic_is_shown(tmp_path: Path) -> None:
    for path in BAD:
        with pytest.raises(ConfigError) as caught:
            config.load(path, environ=ENVIRON)
        assert not re.search(r"pydantic|Input should|valid string|Extra inputs|is invalid; see", str(caught.value))


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(document=st.dictionaries(st.sampled_from(["accounts", "scrape", "series", "x"]), VALUES) | VALUES)
def test_any_data_loads_or_is_explained(document: object, tmp_path: Path) -> None:
    _loads_or_explains(yaml.safe_dump(document, allow_unicode=True), tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(st.characters(codec="utf-8")) | st.text(":-?[]{},&*!|>'\"%@` \n\tab01~$<=#.accounts", max_size=80))
def test_any_text_loads_or_is_explained(text: str, tmp_path: Path) -> None:
    _loads_or_explains(text, tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_good_file_with_a_piece_cut_out_loads_or_is_explained(data: Any, tmp_path: Path) -> None:
    shutil.copy(DATA / "key.txt", tmp_path)
    text = (DATA / "full.good.yml").read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    _loads_or_explains(text[:start] + text[end:], tmp_path)


def _documented() -> dict[tuple[str, str], str]:
    """`{(section, key): default}` of the tables in docs/configuration.md."""
    rows: dict[tuple[str, str], str] = {}
    section = ""
    for line in (ROOT / "docs" / "configuration.md").read_text().splitlines():
        heading = re.fullmatch(r"## `(.+)`", line)
        row = re.fullmatch(r"\| `(\w+)` \| [^|]+ \| (`[^`]+`|none|required) \| .+ \|", line)
        section = heading[1] if heading else section
        if row:
            rows[section, row[1]] = row[2].strip("`")
    return rows


def test_the_reference_has_every_key_with_its_default_and_no_other() -> None:
    expected: dict[tuple[str, str], str] = {}
    for section, model in SECTIONS.items():
        if section:
            name = ".".join(section).replace("accounts.", "accounts[].")
            expected |= {(name, key): _default(model, key) for key in model.model_fields}
    assert _documented() == expected


def _default(model: type[BaseModel], key: str) -> str:
    field = model.model_fields[key]
    if field.is_required():
        return "required"
    if field.default is None or isinstance(field.default, BaseModel):
        return "none"
    if isinstance(field.default, str):
        return field.default
    return json.dumps(field.default).removesuffix(".0").replace('"', "")


def test_every_section_is_listed() -> None:
    """The faults of a key depend on `SECTIONS`."""
    accounts = {Account, AccountKeys, Track, Discovery, Callback}
    assert set(SECTIONS.values()) == accounts | {Settings, ScrapeSettings, SeriesSettings, Buckets, State, Api}
