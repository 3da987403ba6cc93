"""Faults: their order and form, and that no fault shows a key."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from exporter import config
from exporter.config import yaml_source
from exporter.config.faults import hidden, translated
from exporter.config.settings import SECTIONS
from exporter.errors import ConfigError
from tests.config.conftest import DATA, MINIMAL, faults, load


def test_faults_are_in_the_order_of_the_file_and_name_it(tmp_path: Path) -> None:
    found = faults((DATA / "all_at_once.bad.yml").read_text(), tmp_path)
    lines = [int(fault.partition(":")[0]) for fault in found]
    assert len(found) > 10
    assert lines == sorted(lines)


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
def test_no_fault_of_a_broken_file_shows_a_key(place: str, tmp_path: Path) -> None:
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
