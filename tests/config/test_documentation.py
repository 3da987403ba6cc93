"""The example, the JSON Schema and the reference agree with the models."""

from __future__ import annotations

import json
import re

import jsonschema
import yaml
from pydantic import BaseModel

from exporter import config
from exporter.config import (
    ScrapeSettings,
    SeriesSettings,
    Track,
)
from exporter.config.settings import SECTIONS
from tests.config.conftest import DATA, EXAMPLE, ROOT


def test_the_example_names_its_schema_and_shows_every_default() -> None:
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


def test_the_schema_refuses_faults_that_an_editor_can_find() -> None:
    schema = jsonschema.Draft202012Validator(config.schema())
    for name in [
        *("unknown_key", "name_charset", "region_odd", "region_missing", "region_misspelt", "endpoint_path"),
        *("rate_zero", "id_digits"),
        *("duration_number", "duration_unit", "concurrency_range", "credentials_id_alone", "credentials_both_forms"),
        *("accounts_empty", "no_accounts", "id_twice", "section_without_keys", "per_job_text"),
        *("files_text", "files_empty_item", "files_number", "discovery_switch", "discovery_unknown"),
        *("callback_text", "callback_url_missing", "callback_url_odd", "callback_url_space", "callback_key_missing"),
        *("callback_both_forms", "state_both", "state_neither", "state_path_empty", "state_memory_text"),
        *("api_empty", "api_both_forms", "api_token_short", "api_token_number"),
        *("buckets_empty", "buckets_many", "buckets_zero", "buckets_duration_unit", "buckets_size_text"),
        *("billing_price_unknown", "billing_price_negative", "billing_price_text", "billing_prices_list"),
        *("billing_currency", "billing_currency_missing", "billing_template_unknown", "billing_unknown_key"),
    ]:
        document = yaml.safe_load((DATA / f"{name}.bad.yml").read_text())
        assert not schema.is_valid(document), name


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
