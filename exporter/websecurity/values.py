"""The types of values in the web configuration file, and the faults of other values."""

from __future__ import annotations

import re
from typing import Annotated

import bcrypt
from pydantic import PlainValidator

from exporter.config.fields import refused, refused_value
from exporter.keys import SecretText
from exporter.websecurity.ciphers import CURVES, SUITES, SUITES_13

MOST_COST = 18
"""Of a hash. A check takes about 15 s then, and each further step doubles it."""

_HASH = re.compile(r"\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{22})[./A-Za-z0-9]{31}")
_HASH_REMEDY = "write the output of htpasswd -nBC 10 USER, without the name and the colon"
_OLD_VERSIONS = ("TLS10", "TLS11")
_POLICIES = ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")


def _pem(value: object) -> SecretText:
    if isinstance(value, SecretText):
        return value
    if not isinstance(value, str) or "-----BEGIN " not in value:
        raise refused("is not in PEM format; write the text from -----BEGIN to -----END, indented after a `|`")
    return SecretText(value)


def _version(value: object) -> str:
    if value in _OLD_VERSIONS:
        raise refused_value("is not secure any more (RFC 8996); write TLS12 or TLS13")
    if value not in ("TLS12", "TLS13"):
        raise refused_value("is not a version of TLS; write TLS12 or TLS13")
    return str(value)


def _policy(value: object) -> str:
    if value in _UNVERIFIED:
        raise refused_value(
            "asks for a certificate and does not verify it, so it protects nothing; write RequireAndVerifyClientCert "
            "and add client_ca_file"
        )
    if value == "":
        return "NoClientCert"
    if value not in _POLICIES:
        raise refused_value(f"is not a policy; write {', '.join(_POLICIES[:2])} or {_POLICIES[2]}")
    return str(value)


def _suite(value: object) -> str:
    if value not in SUITES and value not in SUITES_13:
        raise refused_value("is not a cipher suite that Go calls secure; docs/web-configuration.md lists those")
    return str(value)


def _curve(value: object) -> str:
    if value not in CURVES:
        raise refused_value(f"is not a curve that the exporter knows; those are {', '.join(CURVES)}")
    return str(value)


def _name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise refused_value("is not a name; quote the name of a certificate: DNS, IP address, e-mail or URI")
    return value


def _user(value: object) -> str:
    if not isinstance(value, str) or not value or ":" in value:
        raise refused("is not the name of a user; a name is not empty, and has no colon")
    return value


def _hash(value: object) -> SecretText:
    if isinstance(value, SecretText):
        return value
    match = _HASH.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise refused(f"is not a bcrypt hash; {_HASH_REMEDY}")
    if not 4 <= int(match[1]) <= MOST_COST:
        raise refused(f"has the cost {match[1]}, and bcrypt is used from 04 to {MOST_COST} here; {_HASH_REMEDY}")
    try:
        bcrypt.hashpw(b"", f"$2b$04${match[2]}".encode())
    except ValueError:
        raise refused(f"is a bcrypt hash with a damaged salt; {_HASH_REMEDY}") from None
    return SecretText(match[0])


def header(*values: str) -> PlainValidator:
    """The value of an HTTP header: empty, or one of `values` if there are any."""

    def check(value: object) -> str:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not re.fullmatch(r"[\x20-\x7e]*", text):
            raise refused_value("is not the value of a header; write printable ASCII on one line")
        if values and text and text not in values:
            raise refused_value(f"is not accepted by browsers; write {' or '.join(values)}")
        return text.strip()

    return PlainValidator(check)


Pem = Annotated[SecretText, PlainValidator(_pem)]
Version = Annotated[str, PlainValidator(_version)]
Policy = Annotated[str, PlainValidator(_policy)]
Suite = Annotated[str, PlainValidator(_suite)]
Curve = Annotated[str, PlainValidator(_curve)]
Name = Annotated[str, PlainValidator(_name)]
User = Annotated[str, PlainValidator(_user)]
Hash = Annotated[SecretText, PlainValidator(_hash)]
AnyHeader = Annotated[str, header()]
