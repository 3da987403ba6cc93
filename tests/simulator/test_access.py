"""Only a call signed with the key, in time and for the first time is admitted."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.access import Access, Request, string_to_sign
from exporter.simulator.refusal import Refusal
from exporter.vod.signing import ALGORITHM, canonical_query, signature

NOW = 1_700_000_000.0
_HEADERS = {
    "host": "127.0.0.1:1234",
    "x-acs-action": "GetTranscodeTask",
    "x-acs-version": "2017-03-21",
    "x-acs-date": "2023-11-14T22:13:20Z",
    "x-acs-signature-nonce": "n1",
    "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
}


def _request(
    *,
    secret: str = "s",
    key: str = "k",
    parameters: dict[str, str] | None = None,
    unsigned: tuple[str, ...] = (),
    sent: dict[str, str] | None = None,
    **changed: str,
) -> Request:
    """A signed request; `changed` before signing, `sent` after."""
    headers = {**_HEADERS, **{name.replace("_", "-"): value for name, value in changed.items()}}
    names = sorted(set(headers) - set(unsigned))
    parameters = parameters or {}
    headers["authorization"] = _authorization(headers, parameters, names, secret=secret, key=key)
    return Request("POST", "/", parameters, headers | (sent or {}))


def _authorization(
    headers: dict[str, str], parameters: dict[str, str], names: list[str], *, secret: str = "s", key: str = "k"
) -> str:
    value = signature(secret, method="POST", query=canonical_query(parameters), headers=headers, signed=names)
    return f"{ALGORITHM} Credential={key},SignedHeaders={';'.join(names)},Signature={value}"


@pytest.fixture
def access() -> Access:
    return Access(access_key_id="k", access_key_secret="s", wall=lambda: NOW)


def _refusal(access: Access, request: Request) -> Refusal:
    with pytest.raises(Refusal) as refused:
        access.check(request)
    return refused.value


@given(
    st.dictionaries(st.text(min_size=1), st.text(), max_size=4),
    st.sets(st.sampled_from(["accept", "user-agent", "content-type", "x-acs-security-token"])),
)
def test_whatever_headers_are_signed_is_checked(parameters: dict[str, str], more: set[str]) -> None:
    access = Access(access_key_id="k", access_key_secret="s", wall=lambda: NOW)
    headers = {**_HEADERS, **dict.fromkeys(more, " some value ")}
    headers["authorization"] = _authorization(headers, parameters, sorted(headers))
    request = Request("POST", "/", parameters, headers)
    access.check(request)
    for name in more:
        changed = Request("POST", "/", parameters, {**request.headers, name: "other"})
        assert _refusal(access, changed).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("request_", "code", "status"),
    [
        (_request(secret="other"), "SignatureDoesNotMatch", 400),
        (_request(key="other"), "InvalidAccessKeyId.NotFound", 404),
        (_request(x_acs_date="2023-11-14T22:28:21Z"), "InvalidTimeStamp.Expired", 400),
        (_request(x_acs_date="2023-11-14T21:58:19Z"), "InvalidTimeStamp.Expired", 400),
        (_request(x_acs_date="now"), "InvalidTimeStamp.Format", 400),
        (_request(x_acs_version="2018-01-01"), "InvalidVersion", 400),
        (_request(x_acs_security_token="t", unsigned=("x-acs-security-token",)), "SignatureDoesNotMatch", 400),
        (_request(sent={"authorization": "Basic abc"}), "IncompleteSignature", 400),
        (_request(sent={"host": "elsewhere"}), "SignatureDoesNotMatch", 400),
        *[(_request(unsigned=(name,)), "SignatureDoesNotMatch", 400) for name in _HEADERS],
    ],
)
def test_refusals(access: Access, request_: Request, code: str, status: int) -> None:
    refusal = _refusal(access, request_)
    assert (refusal.code, refusal.status) == (code, status)
    access.check(_request())


@pytest.mark.parametrize("name", [*_HEADERS, "authorization"])
def test_missing_header_is_named(access: Access, name: str) -> None:
    request = _request()
    headers = {other: value for other, value in request.headers.items() if other != name}
    refusal = _refusal(access, Request("POST", "/", {}, headers))
    assert refusal.code == "MissingParameter"
    assert name in refusal.message.lower()


@pytest.mark.parametrize("date", ["2023-11-14T22:28:20Z", "2023-11-14T21:58:20Z"])
def test_fifteen_minutes_of_skew_are_allowed(access: Access, date: str) -> None:
    access.check(_request(x_acs_date=date))


def test_body_other_than_signed_is_refused(access: Access) -> None:
    request = _request()
    assert _refusal(access, Request("POST", "/", {}, request.headers, b"x")).code == "SignatureDoesNotMatch"


def test_refused_signature_quotes_the_text_to_sign_but_no_secret() -> None:
    access = Access(access_key_id="k", access_key_secret="the-secret", wall=lambda: NOW)
    request = _request(secret="wrong", parameters={"TranscodeTaskId": "a b"})
    refusal = _refusal(access, request)
    quoted = refusal.message.partition("server string to sign is:")[2]
    names = sorted(_HEADERS)
    assert quoted == string_to_sign(request, names)
    right = signature("the-secret", method="POST", query="TranscodeTaskId=a%20b", headers=request.headers, signed=names)
    assert right == hmac.new(b"the-secret", quoted.encode(), hashlib.sha256).hexdigest()
    assert "the-secret" not in refusal.message
    assert right not in refusal.message


def test_nonce_is_used_once_for_as_long_as_its_date_can_pass() -> None:
    now = [NOW]
    access = Access(access_key_id="k", access_key_secret="s", wall=lambda: now[0])
    early = _request(x_acs_date="2023-11-14T22:28:20Z")
    access.check(early)
    assert _refusal(access, early).code == "SignatureNonceUsed"
    now[0] += 1800
    assert _refusal(access, early).code == "SignatureNonceUsed"
    now[0] += 1
    assert _refusal(access, early).code == "InvalidTimeStamp.Expired"


def test_refused_signature_does_not_use_up_its_nonce(access: Access) -> None:
    assert _refusal(access, _request(secret="wrong")).code == "SignatureDoesNotMatch"
    access.check(_request())


def test_remembered_nonces_are_bounded(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.simulator.access.MAX_NONCES", 3)
    for number in range(5):
        access.check(_request(x_acs_signature_nonce=f"n{number}"))
    assert _refusal(access, _request(x_acs_signature_nonce="n4")).code == "SignatureNonceUsed"
    access.check(_request(x_acs_signature_nonce="n0"))
