"""The documents name the RAM actions that the client calls, and only configuration keys that exist."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

from exporter import model
from exporter.config.settings import SECTIONS

ROOT = Path(__file__).parents[2]
PAGES = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
KEYS = {
    ".".join((*section, key)).removeprefix("accounts.")
    for section, fields in SECTIONS.items()
    for key in fields.model_fields
}
FIRST = {part for section in SECTIONS for part in section} | {key.split(".")[0] for key in KEYS}


def called_actions() -> set[str]:
    """The operations whose constants the client uses."""
    tree = ast.parse((ROOT / "exporter" / "vod" / "client.py").read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id.isupper()}
    actions = (*model.ACTIONS, model.DESCRIBE_VOD_TRANSCODE_DATA)
    return {getattr(model, name) for name in names if getattr(model, name, None) in actions}


def test_the_documented_ram_actions_are_those_that_the_client_calls() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    policy: Any = json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0])
    documented = {action.removeprefix("vod:") for action in policy["Statement"][0]["Action"]}

    assert documented == set(model.ACTIONS)
    assert called_actions() == {*documented, model.DESCRIBE_VOD_TRANSCODE_DATA}
    assert f"With [`billing.usage`](#billing) the exporter also needs `vod:{model.DESCRIBE_VOD_TRANSCODE_DATA}`" in page


def test_each_configuration_key_in_a_document_exists() -> None:
    """Inline code such as `track.discovery.interval` starts with a section or a key of an account."""
    for page in PAGES:
        named = re.findall(r"`(?:accounts\[\]\.)?([a-z_]+(?:\.[a-z_]+)+)(?:: [^`]*)?`", page.read_text())
        assert {name for name in named if name.split(".")[0] in FIRST and name not in KEYS} == set(), page
