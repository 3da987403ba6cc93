"""The signature equals the official SDK's: on recorded vectors, and on requests made up by Hypothesis."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.vod import signing

VECTORS = Path(__file__).parents[1] / "data" / "vod-api" / "signatures" / "vectors.json"
Authorize = Callable[[dict[str, str], dict[str, str], str, str], str]
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]

HEADERS = {
    "host": "vod.cn-shanghai.aliyuncs.com",
    "x-acs-action": "GetTranscodeTask",
    "x-acs-version": "2017-03-21",
    "x-acs-date": "2026-10-01T08:09:10Z",
    "x-acs-signature-nonce": "0123456789abcdef0123456789abcdef",
    "x-acs-content-sha256": signing.EMPTY_BODY_SHA256,
}

UNRESERVED = st.text(st.sampled_from("ABCXYZabcxyz0189-_.~"), min_size=1, max_size=8)
HEADER_VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


def ids(case: dict[str, Any]) -> str:
    return str(case["name"])


@pytest.fixture(scope="module")
def official() -> Authorize:
    """`get_authorization` of the official SDK, which every call of the SDK goes through."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")  # else importing it starts a thread
        from alibabacloud_tea_openapi.utils import Utils
        from darabonba.request import DaraRequest

    def authorization(query: dict[str, str], headers: dict[str, str], key_id: str, secret: str) -> str:
        request = DaraRequest()
        request.method, request.pathname, request.query, request.headers = "POST", "/", query, headers
        payload = headers["x-acs-content-sha256"]
        return str(Utils.get_authorization(request, signing.ALGORITHM, payload, key_id, secret))

    return authorization


def ours(query: dict[str, str], headers: dict[str, str], key_id: str, secret: str) -> str:
    canonical = signing.canonical_query(query)
    return signing.authorization(key_id, secret, method="POST", query=canonical, headers=headers)


def test_vectors_are_all_there() -> None:
    """An empty file would make the tests below pass."""
    assert {"published_RunInstances", "search_media_special_chars", "empty_value_param", "sts_token"} <= {
        case["name"] for case in CASES
    }


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_signs_as_recorded(case: dict[str, Any]) -> None:
    """The signature over every header the SDK signed is the one it sent; one case is published by Alibaba Cloud."""
    told = case["headers_signed"]
    query = signing.canonical_query(case["query"])
    value = signing.signature(
        case["access_key_secret"],
        method=case["method"],
        query=query,
        headers=told,
        signed=told,
        path=case["pathname"],
    )
    _, names, expected = re.split(r",SignedHeaders=|,Signature=", case["authorization"])

    assert ";".join(sorted(told)) == names
    assert expected == value
    assert case.get("canonical_query", query) == query


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_authorization_signs_the_documented_headers(case: dict[str, Any]) -> None:
    """Of the headers sent, those are signed that the documentation asks for, and the header reads as documented."""
    headers = case.get("minimal_headers", case["headers_signed"])
    sent = {**headers, "user-agent": "vod-transcode-exporter", "accept": "application/json"}

    assert case.get("minimal_authorization", case["authorization"]) == signing.authorization(
        case["access_key_id"],
        case["access_key_secret"],
        method=case["method"],
        query=signing.canonical_query(case["query"]),
        headers=sent,
        path=case["pathname"],
    )


@settings(deadline=None)
@given(query=st.dictionaries(UNRESERVED, st.text(), max_size=6), key_id=st.text(), secret=st.text(min_size=1))
def test_equals_the_official_utility_over_any_values(
    official: Authorize, query: dict[str, str], key_id: str, secret: str
) -> None:
    """Any number of parameters with any values, any key, any secret."""
    assert official(query, HEADERS, key_id, secret) == ours(query, HEADERS, key_id, secret)


@settings(deadline=None)
@given(name=st.text(), value=st.text())
def test_equals_the_official_utility_over_any_name(official: Authorize, name: str, value: str) -> None:
    """Any name. The utility takes names as encoded already, so it gets this one from its own encoder."""
    from alibabacloud_tea_openapi.utils import Utils

    encoded = {str(Utils.get_encode_param(name)): value}

    assert official(encoded, HEADERS, "id", "secret") == ours({name: value}, HEADERS, "id", "secret")


@settings(deadline=None)
@given(extra=st.dictionaries(st.from_regex(r"x-acs-[a-z-]{1,12}", fullmatch=True), HEADER_VALUES, max_size=4))
def test_equals_the_official_utility_over_any_headers(official: Authorize, extra: dict[str, str]) -> None:
    """Whatever `x-acs-*` headers are added, and spaces around their values."""
    headers = {**extra, **HEADERS}

    assert official({}, headers, "id", "secret") == ours({}, headers, "id", "secret")


@given(query=st.dictionaries(st.text(), st.text()))
def test_the_query_says_what_was_asked(query: dict[str, str]) -> None:
    """What is signed is also what is sent: it reads back as the parameters, in the order of their names."""
    assert sorted(query.items()) == parse_qsl(signing.canonical_query(query), keep_blank_values=True)


def test_order_of_parameters_and_headers_is_no_matter() -> None:
    query = {"B": "2", "A": "1"}
    backwards = dict(reversed(HEADERS.items()))

    assert ours(dict(reversed(query.items())), backwards, "id", "secret") == ours(query, HEADERS, "id", "secret")


def test_a_header_to_sign_must_be_there() -> None:
    with pytest.raises(KeyError, match="host"):
        signing.signature("secret", method="POST", query="", headers={"x-acs-content-sha256": ""}, signed=["host"])


def test_the_secret_is_not_in_what_is_sent() -> None:
    assert "hush-hush" not in ours({"A": "1"}, HEADERS, "id", "hush-hush")
