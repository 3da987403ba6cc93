"""HTTP answers: JSON, or an exception whose text shows no secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.errors import AccountRefused, MalformedResponse, TemporaryError, Throttled
from exporter.vod import answers
from exporter.vod.transport import Answer


def answer(content: bytes, status: int = 200, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def error(**fields: str) -> bytes:
    return json.dumps(fields).encode()


def test_the_body_of_a_successful_call_is_its_json_object() -> None:
    assert answers.body("GetVideoList", answer(b'{"Total": 1}'), secrets=()) == {"Total": 1}


@pytest.mark.parametrize(
    ("content", "code", "text"),
    [
        (b" \n", "empty", "a body that is empty"),
        (b" <html>", "html", "a body that is HTML"),
        (b"{", "not_json", "a body that is not JSON"),
        (b"[]", "not_object", "JSON that is not an object"),
    ],
)
def test_a_body_that_is_not_from_the_api_says_what_it_is(content: bytes, code: str, text: str) -> None:
    with pytest.raises(MalformedResponse) as caught:
        answers.body("GetVideoList", answer(content), secrets=())
    assert (caught.value.code, str(caught.value)) == (code, f"GetVideoList: HTTP 200 with {text}; check the endpoint")


def test_an_error_code_counts_whatever_the_status_is() -> None:
    for status in (200, 400, 500):
        with pytest.raises(Throttled) as caught:
            answers.body("GetVideoList", answer(error(Code="Throttling.User"), status, Retry_After="3"), secrets=())
        assert caught.value.retry_after == 3.0


@pytest.mark.parametrize("code", ["200", "OK", "Success"])
def test_a_code_of_success_in_a_200_is_an_answer(code: str) -> None:
    """Some products of Alibaba Cloud send a code with every answer."""
    found = {"Code": code, "Total": 1}
    assert answers.body("GetVideoList", answer(json.dumps(found).encode()), secrets=()) == found
    with pytest.raises(AccountRefused):
        answers.body("GetVideoList", answer(json.dumps(found).encode(), 400), secrets=())


def test_the_names_of_an_error_body_may_be_in_lower_case() -> None:
    content = error(code="Throttling.User", message="too many", requestId="r")
    with pytest.raises(Throttled) as caught:
        answers.body("GetVideoList", answer(content, 400), secrets=())
    assert str(caught.value) == "GetVideoList: Throttling.User: too many [RequestId r]"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x_acs_retry_after": "3000"}, 3.0),
        ({"x_acs_retry_after": "3000", "Retry_After": "5"}, 5.0),
        ({"x_acs_retry_after": "6000", "Retry_After": "5"}, 6.0),
        ({"x_acs_retry_after": "soon", "Retry_After": "5"}, 5.0),
        ({"x_acs_retry_after": "999999999"}, None),
        ({}, None),
    ],
)
def test_the_gateway_says_in_milliseconds_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    with pytest.raises(Throttled) as caught:
        answers.body("GetVideoList", answer(error(Code="Throttling.User"), 400, **headers), secrets=())
    assert caught.value.retry_after == seconds


@given(header=st.text() | st.integers().map(str) | st.floats().map(str))
@example("99999999999999999999")
@example("²")
@example("1.5")
@example("Fri, 31 Dec 1999 23:59:59 GMT")
def test_retry_after_is_a_bounded_number_of_seconds_or_absent(header: str) -> None:
    with pytest.raises(TemporaryError) as caught:
        answers.body("GetVideoList", answer(b"{}", 503, Retry_After=header), secrets=())
    seconds = caught.value.retry_after
    assert seconds is None or 0 <= seconds < 1e5


def test_secrets_are_removed_before_a_message_is_cut() -> None:
    content = error(Code="Odd", Message="x" * 1020 + "CANARY", RequestId="r")
    with pytest.raises(AccountRefused) as caught:
        answers.body("GetVideoList", answer(content, 400), secrets=("", "CANARY"))
    assert "CANA" not in str(caught.value)
    assert "x<sec [RequestId r] (" in str(caught.value)
