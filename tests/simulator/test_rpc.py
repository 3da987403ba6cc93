"""The older signature of older SDKs equals a published one and that of the official SDK, and Access checks it."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator import rpc
from exporter.simulator.access import Access, Request
from exporter.simulator.refusal import Refusal
from exporter.simulator.server import Simulator

NOW = 1_700_000_000.0
PUBLISHED = {
    "AccessKeyId": "testid",
    "Action": "DescribeRegions",
    "Format": "XML",
    "SignatureMethod": "HMAC-SHA1",
    "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
    "SignatureVersion": "1.0",
    "Timestamp": "2016-02-23T12:46:24Z",
    "Version": "2014-05-26",
}
PARAMETERS = {
    "AccessKeyId": "k",
    "Action": "GetVideoList",
    "Format": "JSON",
    "SignatureMethod": "HMAC-SHA1",
    "SignatureNonce": "n1",
    "SignatureVersion": "1.0",
    "Status": "Transcoding,Normal",
    "Timestamp": "2023-11-14T22:13:20Z",
    "Version": "2017-03-21",
}


def test_the_signature_equals_the_published_one() -> None:
    """https://www.alibabacloud.com/help/en/sdk/product-overview/rpc-mechanism"""
    assert rpc.signature("testsecret", method="GET", parameters=PUBLISHED) == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: name != "Signature"), st.text()), st.text())
def test_the_signature_equals_that_of_the_official_sdk(parameters: dict[str, str], secret: str) -> None:
    from alibabacloud_tea_openapi.utils import Utils

    ours = rpc.signature(secret, method="POST", parameters=parameters)
    assert ours == Utils.get_rpcsignature(parameters, "POST", secret)


def signed(method: str = "GET", *, secret: str = "s", **changed: str) -> dict[str, str]:
    parameters = {**PARAMETERS, **changed}
    return {**parameters, "Signature": rpc.signature(secret, method=method, parameters=parameters)}


@pytest.fixture
def access() -> Access:
    return Access(access_key_id="k", access_key_secret="s", wall=lambda: NOW)


def refusal(access: Access, parameters: dict[str, str], method: str = "GET") -> str:
    with pytest.raises(Refusal) as refused:
        access.check(Request(method, "/", parameters, {}))
    return refused.value.code


def test_a_request_that_is_signed_is_admitted_once(access: Access) -> None:
    access.check(Request("GET", "/", signed(), {}))
    assert refusal(access, signed()) == "SignatureNonceUsed"
    access.check(Request("POST", "/", signed("POST", SignatureNonce="n2"), {}))


@pytest.mark.parametrize("name", rpc.REQUIRED)
def test_each_parameter_of_the_signature_is_required(access: Access, name: str) -> None:
    parameters = signed()
    del parameters[name]
    assert refusal(access, parameters) == "MissingParameter"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"AccessKeyId": "other"}, "InvalidAccessKeyId.NotFound"),
        ({"Version": "2017-03-22"}, "InvalidVersion"),
        ({"SignatureMethod": "HMAC-SHA256"}, "InvalidParameter"),
        ({"SignatureVersion": "2.0"}, "InvalidParameter"),
        ({"Timestamp": "2023-11-14T21:13:20Z"}, "InvalidTimeStamp.Expired"),
        ({"Timestamp": "yesterday"}, "InvalidTimeStamp.Format"),
    ],
)
def test_a_signed_request_with_a_wrong_value_is_refused(access: Access, changed: dict[str, str], code: str) -> None:
    assert refusal(access, signed(**changed)) == code


def test_the_method_and_each_parameter_are_signed(access: Access) -> None:
    assert refusal(access, signed(secret="wrong")) == "SignatureDoesNotMatch"
    assert refusal(access, signed("GET"), "POST") == "SignatureDoesNotMatch"
    assert refusal(access, {**signed(), "Status": "Normal"}) == "SignatureDoesNotMatch"
    assert refusal(access, {**signed(), "PageSize": "1"}) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("form", [False, True])
def test_the_parameters_come_in_the_query_or_in_a_form(form: bool) -> None:
    with Simulator(access_key_id="k", access_key_secret="s", history=60.0) as simulator:
        simulator.access._wall = lambda: NOW
        parameters = signed("POST")
        if form:
            response = requests.post(simulator.url, data=parameters, timeout=10)
        else:
            response = requests.post(f"{simulator.url}/?{urlencode(parameters)}", timeout=10)
        assert response.status_code == 200
        assert response.json()["Total"] > 0
