"""The signature equals that of the official SDK, for recorded vectors and for requests from Hypothesis."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
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
    """`get_authorization` of the official SDK, which signs every call of the SDK."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")  # without this, the import starts a thread
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


def test_all_test_vectors_are_present() -> None:
    """With an empty file, the tests below would pass."""
    assert {"published_RunInstances", "search_media_special_chars", "empty_value_param", "sts_token"} <= {
        case["name"] for case in CASES
    }


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_signs_as_recorded(case: dict[str, Any]) -> None:
    """The signature over the headers that the SDK signed equals the one it sent. Alibaba Cloud published one case."""
    signed = case["headers_signed"]
    query = signing.canonical_query(case["query"])
    value = signing.signature(
        case["access_key_secret"],
        method=case["method"],
        query=query,
        headers=signed,
        signed=signed,
        path=case["pathname"],
    )
    _, names, expected = re.split(r",SignedHeaders=|,Signature=", case["authorization"])

    assert ";".join(sorted(signed)) == names
    assert expected == value
    assert case.get("canonical_query", query) == query


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_authorization_signs_the_documented_headers(case: dict[str, Any]) -> None:
    """The documented headers are signed, and the Authorization header has the documented form."""
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


@given(query=st.dictionaries(UNRESERVED, st.text(), max_size=6), key_id=st.text(), secret=st.text(min_size=1))
def test_equals_the_official_utility_over_any_values(
    official: Authorize, query: dict[str, str], key_id: str, secret: str
) -> None:
    """This holds for any parameters, key and secret."""
    assert official(query, HEADERS, key_id, secret) == ours(query, HEADERS, key_id, secret)


@given(name=st.text(), value=st.text())
def test_equals_the_official_utility_over_any_name(official: Authorize, name: str, value: str) -> None:
    """This holds for any name. The SDK expects encoded names, so its own encoder encodes the name first."""
    from alibabacloud_tea_openapi.utils import Utils

    encoded = {str(Utils.get_encode_param(name)): value}

    assert official(encoded, HEADERS, "id", "secret") == ours({name: value}, HEADERS, "id", "secret")


@given(extra=st.dictionaries(st.from_regex(r"x-acs-[a-z-]{1,12}", fullmatch=True), HEADER_VALUES, max_size=4))
def test_equals_the_official_utility_over_any_headers(official: Authorize, extra: dict[str, str]) -> None:
    """This holds for any additional `x-acs-*` headers, and for spaces around their values."""
    headers = {**extra, **HEADERS}

    assert official({}, headers, "id", "secret") == ours({}, headers, "id", "secret")


@given(query=st.dictionaries(st.text(), st.text()))
def test_the_query_contains_the_parameters(query: dict[str, str]) -> None:
    """The signed query, which is also sent, can be parsed back to the parameters in the order of their names."""
    assert sorted(query.items()) == parse_qsl(signing.canonical_query(query), keep_blank_values=True)


def test_the_order_of_parameters_and_headers_does_not_matter() -> None:
    query = {"B": "2", "A": "1"}
    backwards = dict(reversed(HEADERS.items()))

    assert ours(dict(reversed(query.items())), backwards, "id", "secret") == ours(query, HEADERS, "id", "secret")


def test_a_header_to_sign_must_be_there() -> None:
    with pytest.raises(KeyError, match="host"):
        signing.signature("secret", method="POST", query="", headers={"x-acs-content-sha256": ""}, signed=["host"])


def test_the_secret_is_never_sent() -> None:
    assert "hush-hush" not in ours({"A": "1"}, HEADERS, "id", "hush-hush")
