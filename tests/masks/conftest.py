"""How services write a text that they quote."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from exporter.masks import masking
from exporter.masks.own import Secrets

Encode = Callable[[str], str]

ENCODINGS: dict[str, Encode] = {
    "as it is": str,
    "percent": lambda text: quote(text, safe=""),
    "percent, each character": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "a form": quote_plus,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON, each character": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
    "HTML": html.escape,
    "HTML, decimal": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "HTML, hexadecimal": lambda text: "".join(f"&#x{ord(one):x};" for one in text),
    "full width": lambda text: "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text),
}
"""Encodings that `mask` decodes, several times over."""

BASE64: dict[str, Encode] = {
    "Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "Base64 in a text": lambda text: base64.b64encode(f"is {text} of".encode()).decode(),
    "Base64 one byte later": lambda text: base64.b64encode(f"k={text}&".encode()).decode(),
    "Base64 of URLs": lambda text: base64.urlsafe_b64encode(f"a{text}".encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal in capitals": lambda text: text.encode().hex().upper(),
}


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_own", Secrets())
