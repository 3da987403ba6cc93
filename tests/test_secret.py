"""A secret shows in no rendering that a log line, an error, a page or a dump could be made of."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from pydantic import BaseModel, ValidationError

from exporter.secret import SecretText

HUSH = "hush-hush-5f2a"


class Account(BaseModel):
    secret: SecretText


@dataclass(frozen=True)
class Held:
    secret: SecretText


SECRET = SecretText(HUSH)

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
}


@pytest.mark.parametrize("render", RENDERINGS.values(), ids=RENDERINGS)
def test_no_rendering_shows_it(render: Callable[[], object]) -> None:
    """Nor a part of it."""
    shown = str(render())

    assert HUSH not in shown
    assert "hus" not in shown
    assert "<se" in shown  # three characters of the mask are what `:.3` leaves


def test_mask_tells_nothing_of_the_length() -> None:
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


def test_gives_the_text_to_who_asks() -> None:
    assert SECRET.get_secret_value() == HUSH
    assert Account.model_validate({"secret": HUSH}).secret == SECRET


def test_equal_secrets_are_equal() -> None:
    """The reload compares configurations."""
    assert SecretText("a") == SecretText("a")
    assert SecretText("a") != SecretText("b")
    assert hash(SecretText("a")) == hash(SecretText("a"))
