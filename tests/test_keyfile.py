"""A key is one word of ASCII, wherever it comes from; what is wrong with it is told without showing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.keyfile import MAX_BYTES, key_text, read_key


def test_white_space_around_a_key_in_a_file_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b" \tCANARY=/+\r\n\n")
    assert read_key(path).get_secret_value() == "CANARY=/+"


@pytest.mark.parametrize("text", ["CANARY x", "CANARY\n", "CANARY\r\nHost: evil", "CANARYé", "CANARY\0", " CANARY"])
def test_text_that_no_key_has_is_refused_unshown(text: str) -> None:
    with pytest.raises(ValueError, match=r"^holds a space, a line break or a character that no key has$"):
        key_text(text)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a\nb", "holds a space, a line break or a character that no key has"),
        (b"\xff\xfe", "holds a space, a line break or a character that no key has"),
        (b"x" * (MAX_BYTES + 1), "is larger than 64 KiB"),
    ],
)
def test_a_file_without_one_key_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{reason}$"):
        read_key(path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none", r"cannot be read \(No such file or directory\)"),
        (".", r"cannot be read \(Is a directory\)"),
        ("x" * 300, r"cannot be read \(File name too long\)"),
        ("a\0b", "has a name that no file can have"),
        ("a\ud800", "has a name that no file can have"),
    ],
)
def test_what_is_no_file_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        read_key(tmp_path / name)
