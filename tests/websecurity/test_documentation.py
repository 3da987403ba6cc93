"""docs/web-configuration.md has every key with its default, and every suite and curve."""

from __future__ import annotations

import json
import re
from pathlib import Path

import bcrypt
from pydantic import BaseModel

from exporter.websecurity.ciphers import CURVES, SUITES, SUITES_13
from exporter.websecurity.current import WebConfig
from exporter.websecurity.settings import SECTIONS
from tests.websecurity.conftest import write

TEXT = (Path(__file__).parents[2] / "docs" / "web-configuration.md").read_text()


def test_the_reference_has_every_key_with_its_default_and_meaning_and_no_other() -> None:
    documented: dict[tuple[str, str], tuple[str, str]] = {}
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE):
        name = section.partition("\n")[0].strip("`")
        for key, default, meaning in re.findall(r"^\| `([\w-]+)` \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE):
            documented[name, key] = default.strip("`"), meaning.replace("`", "")
    assert documented == {
        (".".join(path), field.alias or key): (_default(model, key), field.description)
        for path, model in SECTIONS.items()
        if path
        for key, field in model.model_fields.items()
    }


def _default(model: type[BaseModel], key: str) -> str:
    default = model.model_fields[key].default
    if default is None or default == "" or isinstance(default, BaseModel):
        return "none"
    return default if isinstance(default, str) else json.dumps(default)


def test_each_section_suite_and_curve_is_named() -> None:
    for name in [*SECTIONS[()].model_fields, *SUITES, *SUITES_13, *CURVES]:
        assert re.search(rf"\b{name}\b", TEXT)


def test_the_example_is_valid_and_its_password_is_the_one_that_it_names(folder: Path) -> None:
    text = (Path(__file__).parents[2] / "deploy" / "web-config.example.yml").read_text()
    path = write(folder, text.replace("tls.crt", "server.crt").replace("tls.key", "server.key"))
    stored = WebConfig(path).check().settings.basic_auth_users["prometheus"].get_secret_value()
    assert bcrypt.checkpw(b"change-me", stored.encode())
    assert f"prometheus: {stored}\n" in TEXT
