"""A key shows in no output, is one word of ASCII wherever it comes from, and a file is read again at each use."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from exporter.keys import MAX_BYTES, Key, SecretText

HUSH = "hush-hush-5f2a"


class Account(BaseModel):
    secret: SecretText


@dataclass(frozen=True)
class Held:
    secret: SecretText


SECRET = SecretText(HUSH)
KEY = Key(HUSH)

RENDERINGS: dict[str, Callable[[], object]] = {
    "str": lambda: str(SECRET),
    "repr": lambda: repr(SECRET),
    "format": lambda: format(SECRET),
    "f-string": lambda: f"{SECRET}",
    "f-string of repr": lambda: f"{SECRET!r}",
    "f-string with width": lambda: f"{SECRET:>40}",
    "f-string with precision": lambda: f"{SECRET:.3}",
    "%s": lambda: "%s" % SECRET,  # noqa: UP031 - the rendering under test
    "%r": lambda: "%r" % SECRET,  # noqa: UP031
    "str.format": lambda: "{:<20}".format(SECRET),  # noqa: UP032
    "in a list": lambda: str([SECRET]),
    "in a dict": lambda: repr({"secret": SECRET}),
    "in a dataclass": lambda: repr(Held(SECRET)),
    "in a model": lambda: repr(Account(secret=SECRET)),
    "in a model's dump": lambda: str(Account(secret=SECRET).model_dump()),
    "in a model's plain dump": lambda: str(Account(secret=SECRET).model_dump(mode="json")),
    "in a model's JSON": lambda: Account(secret=SECRET).model_dump_json(),
    "in an exception": lambda: repr(ValueError(SECRET)),
    "key": lambda: f"{KEY} {KEY!r}",
    "key in a list": lambda: str([KEY]),
}


@pytest.mark.parametrize("render", RENDERINGS.values(), ids=RENDERINGS)
def test_no_rendering_shows_it(render: Callable[[], object]) -> None:
    """Nor a part of it."""
    shown = str(render())

    assert HUSH not in shown
    assert "hus" not in shown
    assert "<se" in shown  # three characters of the mask are what `:.3` leaves


def test_the_mask_does_not_show_the_length() -> None:
    assert str(SecretText("a")) == str(SecretText("a" * 100)) == str(SecretText("")) == "<secret>"


def test_log_record_shows_the_mask(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").debug("key %s %r", SECRET, SECRET)

    assert HUSH not in caplog.text


def test_validation_error_hides_it() -> None:
    """Pydantic quotes the input it rejects."""
    with pytest.raises(ValidationError, match="<secret>") as caught:
        Account.model_validate([SECRET])

    assert HUSH not in str(caught.value)


def test_get_secret_value_returns_the_text() -> None:
    assert SECRET.get_secret_value() == HUSH
    assert Account.model_validate({"secret": HUSH}).secret == SECRET


def test_equal_secrets_are_equal() -> None:
    """The reload compares configurations."""
    assert SecretText("a") == SecretText("a")
    assert SecretText("a") != SecretText("b")
    assert hash(SecretText("a")) == hash(SecretText("a"))


def test_white_space_around_a_key_in_a_file_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b" \tCANARY=/+\r\n\n")
    assert Key(path).read().get_secret_value() == "CANARY=/+"


@pytest.mark.parametrize("text", ["CANARY x", "CANARY\n", "CANARY\r\nHost: evil", "CANARYé", "CANARY\0", " CANARY"])
def test_a_text_that_cannot_be_a_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"^contains white space, a control character or a non-ASCII character$"):
        Key(text)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a\nb", "contains white space, a control character or a non-ASCII character"),
        (b"\xff\xfe", "contains white space, a control character or a non-ASCII character"),
        (b"x" * (MAX_BYTES + 1), "is larger than 64 KiB"),
    ],
)
def test_a_file_without_one_key_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{reason}$"):
        Key(path).read()


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
def test_a_path_without_a_readable_file_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        Key(tmp_path / name).read()


def test_a_file_is_read_at_each_use_and_its_fingerprint_changes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = Key(path)
    assert (key.path, key.fingerprint()) == (path, None)
    path.write_text("one")
    assert key.read() == SecretText("one")
    first = key.fingerprint()
    assert first is not None
    path.write_text("three")
    assert key.read() == SecretText("three")
    assert key.fingerprint() != first


def test_a_key_given_as_text_has_no_path_and_never_changes() -> None:
    key = Key("text")
    assert (key.read(), key.path, key.fingerprint()) == (SecretText("text"), None, None)


def test_keys_from_the_same_place_are_equal() -> None:
    """A reload restarts only the accounts whose configuration differs."""
    assert Key("a") == Key("a")
    assert Key("a") not in (Key("b"), Key(Path("a")), SecretText("a"))
    assert hash(Key(Path("a"))) == hash(Key(Path("a")))
