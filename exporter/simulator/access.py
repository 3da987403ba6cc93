"""Access control: checks access key, signature, date and nonce of a call, as VOD does."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from calendar import timegm
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

from exporter.simulator import rpc
from exporter.simulator.refusal import Refusal, invalid, missing
from exporter.vod.signing import ALGORITHM, canonical_query, signature

VERSION = "2017-03-21"
SKEW = 900.0  # seconds between the date of a request and the clock of the service
MAX_NONCES = 200_000
_MUST_SIGN = frozenset(
    ("host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256")
)
_AUTHORIZATION = re.compile(
    ALGORITHM + r" +Credential=([^,\s]+), *SignedHeaders=([a-z0-9;-]+), *Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class Request:
    """One API call. The names of `headers` are in lower case."""

    method: str
    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def action(self) -> str:
        """The name of the operation; empty if the request has none."""
        return self.headers.get("x-acs-action") or self.parameters.get("Action", "")


class Access:
    """Accepts calls signed with one access key. `wall` is the clock for their dates, in Unix seconds."""

    def __init__(self, *, access_key_id: str, access_key_secret: str, wall: Callable[[], float] = time.time) -> None:
        self._id = access_key_id
        self._secret = access_key_secret
        self._wall = wall
        self._lock = Lock()
        self._nonces: dict[str, float] = {}

    def check(self, request: Request) -> None:
        """Raise `Refusal` unless the request is signed with the key, its date is current and its nonce is new.

        The signature is ACS3-HMAC-SHA256 in a header, or the older HMAC-SHA1 in parameters.
        """
        text = request.headers.get("authorization")
        if text is not None:
            self._check_headers_signed(request, text.strip())
        elif "Action" in request.parameters:
            self._check_parameters_signed(request)
        else:
            raise missing("Authorization")

    def _check_headers_signed(self, request: Request, authorization: str) -> None:
        match = _AUTHORIZATION.fullmatch(authorization)
        if match is None:
            raise Refusal("IncompleteSignature", "The request signature does not conform to Aliyun standards.")
        access_key_id, names, sent_signature = match.groups()
        self._check_key(access_key_id)
        self._check_headers(request, names.split(";"))
        self._check_date(request.headers["x-acs-date"])
        self._check_signature(request, names.split(";"), sent_signature)
        self._check_nonce(request.headers["x-acs-signature-nonce"])

    def _check_parameters_signed(self, request: Request) -> None:
        sent = request.parameters
        for name in rpc.REQUIRED:
            if not sent.get(name):
                raise missing(name)
        for name, right in (("SignatureMethod", rpc.METHOD), ("SignatureVersion", rpc.VERSION)):
            if sent[name] != right:
                raise invalid(name)
        self._check_version(sent["Version"])
        self._check_key(sent["AccessKeyId"])
        self._check_date(sent["Timestamp"])
        expected = rpc.signature(self._secret, method=request.method, parameters=sent)
        if not hmac.compare_digest(expected.encode(), sent["Signature"].encode()):
            raise _mismatch(rpc.string_to_sign(request.method, sent))
        self._check_nonce(sent["SignatureNonce"])

    def _check_key(self, access_key_id: str) -> None:
        if not hmac.compare_digest(access_key_id.encode(), self._id.encode()):
            raise Refusal("InvalidAccessKeyId.NotFound", "Specified access key is not found.")

    def _check_headers(self, request: Request, names: list[str]) -> None:
        for name in sorted(_MUST_SIGN - request.headers.keys()):
            raise missing(name)
        sent = {name for name in request.headers if name.startswith("x-acs-")}
        unsigned = sorted((_MUST_SIGN | sent) - set(names))
        absent = sorted(set(names) - request.headers.keys())
        if unsigned or absent:
            fault = f"not signed: {', '.join(unsigned)}" if unsigned else f"signed but not sent: {', '.join(absent)}"
            raise Refusal("SignatureDoesNotMatch", f"Specified signature does not cover the headers; {fault}.")
        self._check_version(request.headers["x-acs-version"])

    def _check_version(self, version: str) -> None:
        if version != VERSION:
            raise Refusal("InvalidVersion", "Specified parameter Version is not valid.")

    def _check_date(self, text: str) -> None:
        try:
            date = timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
        except ValueError:
            raise Refusal(
                "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."
            ) from None
        if abs(self._wall() - date) > SKEW:
            raise Refusal("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")

    def _check_signature(self, request: Request, names: list[str], sent_signature: str) -> None:
        query = canonical_query(request.parameters)
        expected = signature(
            self._secret, method=request.method, query=query, headers=request.headers, signed=names, path=request.path
        )
        body_matches = hmac.compare_digest(
            hashlib.sha256(request.body).hexdigest().encode(), request.headers["x-acs-content-sha256"].encode()
        )
        if not (body_matches and hmac.compare_digest(expected.encode(), sent_signature.encode())):
            raise _mismatch(string_to_sign(request, names))

    def _check_nonce(self, nonce: str) -> None:
        now = self._wall()
        with self._lock:
            # The dictionary keeps the order of arrival, so the oldest nonces come first.
            while self._nonces and (
                len(self._nonces) >= MAX_NONCES or now - self._nonces[next(iter(self._nonces))] > 2 * SKEW
            ):
                del self._nonces[next(iter(self._nonces))]
            if nonce in self._nonces:
                raise Refusal("SignatureNonceUsed", "Specified signature nonce was used already.")
            self._nonces[nonce] = now


def _mismatch(signed: str) -> Refusal:
    return Refusal(
        "SignatureDoesNotMatch",
        f"Specified signature does not match our calculation. server string to sign is:{signed}",
    )


def string_to_sign(request: Request, names: list[str]) -> str:
    """The text to sign. The refusal of a wrong signature quotes it, as in VOD. It contains no secret."""
    lines = "".join(f"{name}:{request.headers[name].strip()}\n" for name in sorted(names))
    canonical = "\n".join(
        (
            request.method,
            request.path,
            canonical_query(request.parameters),
            lines,
            ";".join(sorted(names)),
            hashlib.sha256(request.body).hexdigest(),
        )
    )
    return f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
