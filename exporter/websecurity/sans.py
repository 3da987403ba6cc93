"""The subject alternative names of a client certificate, and whether the file allows one of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

_KINDS = ("DNS", "IP Address", "email", "URI")


def allowed(certificate: Mapping[str, Any] | None, names: Iterable[str]) -> bool:
    """Whether the certificate, as `SSLSocket.getpeercert` returns it, has one of these names. None has no names."""
    found = {_canonical(text) for kind, text in (certificate or {}).get("subjectAltName", ()) if kind in _KINDS}
    return not found.isdisjoint(map(_canonical, names))


def _canonical(name: str) -> str:
    """An IP address in its short form, other text as it is. `ssl` writes IPv6 in capitals and without `::`."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name
