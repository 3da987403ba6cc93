"""Template groups cover what VOD can make."""

from __future__ import annotations

from exporter.model import DEFINITIONS
from exporter.simulator.templates import GROUPS, group


def test_every_definition_format_and_encryption_occurs_in_groups_of_two_to_six() -> None:
    templates = [template for each in GROUPS for template in each.templates]
    assert {template.definition for template in templates} == set(DEFINITIONS) - {"FD"}  # which events alone say
    assert {"mp4", "m3u8", "mp3"} <= {template.format for template in templates}
    assert {template.encryption for template in templates} == {"", "AliyunVoDEncryption", "HLSEncryption"}
    assert all(2 <= len(each.templates) <= 6 for each in GROUPS)


def test_ids_are_unique_and_found() -> None:
    assert len({template.id for each in GROUPS for template in each.templates}) == sum(
        len(each.templates) for each in GROUPS
    )
    assert [group(each.id) for each in GROUPS] == list(GROUPS)
    assert group("none") is None
