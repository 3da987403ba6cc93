"""The values of flags: what is valid, and the message for other values. Each raises `ArgumentTypeError`."""

from __future__ import annotations

import argparse
import math
import re
from urllib.parse import SplitResult, urlsplit

from exporter.model import ID_PATTERN

_PATH_RULE = "a path of letters, digits, _, ., ~ and -, such as /vod"
_TAKEN = ("/probe", "/sd")  # paths that the web interface serves itself


def level(text: str) -> str:
    """A log level in lower case, also from another case or from `warning`."""
    level = text.lower()
    return {"warning": "warn"}.get(level, level)


def vod_id(text: str) -> str:
    """An id as VOD has it."""
    if not re.fullmatch(ID_PATTERN, text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an id of VOD; write 1 to 128 letters, digits, _ and -")
    return text


def metrics_url(text: str) -> str:
    """The URL of the metrics, also from the URL of an exporter, such as `http://host:10870` or `https://proxy/vod/`."""
    parts = _parts(text)
    if parts is None:
        raise argparse.ArgumentTypeError("this is not a URL; write for example http://localhost:10870")
    return parts._replace(path=f"{parts.path or '/'}metrics").geturl() if parts.path[-1:] in ("", "/") else text


def external_url(text: str) -> str:
    """The URL of the exporter behind a proxy, without a slash at the end."""
    parts = _public(text, example="https://proxy.example/vod")
    if parts.query or parts.fragment or not _is_path(parts.path.rstrip("/")):
        raise argparse.ArgumentTypeError(f"its path must be {_PATH_RULE}, without ? and #")
    return text.rstrip("/")


def route_prefix(text: str) -> str | None:
    """A prefix of all paths: empty for `/`, None if it is not set. Slashes around it are ignored."""
    prefix = f"/{text.strip('/')}".rstrip("/")
    if not _is_path(prefix):
        raise argparse.ArgumentTypeError(f"{text!r} must be {_PATH_RULE}")
    return prefix if text else None


def _is_path(text: str) -> bool:
    """Whether it is a path without characters to encode. The empty path is one."""
    return bool(re.fullmatch(r"(/(?!\.{1,2}(/|$))[\w.~-]+)*", text, re.ASCII))


def grafana_url(text: str) -> str:
    """The URL of a Grafana, without a slash at the end."""
    parts = _public(text, example="https://grafana.example")
    if parts.query or parts.fragment or "/d/" in f"{parts.path}/":
        raise argparse.ArgumentTypeError("write the address of Grafana alone, without a dashboard, ? and #")
    return text.rstrip("/")


def _public(text: str, *, example: str) -> SplitResult:
    """The parts of a URL that pages show."""
    parts = _parts(text)
    if parts is None:
        raise argparse.ArgumentTypeError(f"this is not a URL; write for example {example}")
    if "@" in parts.netloc:
        raise argparse.ArgumentTypeError("leave out user name and password; every reader of the page would see them")
    return parts


def _parts(text: str) -> SplitResult | None:
    """The parts of an absolute HTTP URL; None if it is none. Messages do not quote it: it may have a password."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # an invalid port or IPv6 address
        return None
    return parts if valid and re.fullmatch(r"[^\s\\\"<>^`{|}\x00-\x1f\x7f]+", text) else None


def telemetry_path(text: str) -> str:
    """A path for the metrics that no other page has."""
    if not (text and _is_path(text)) or text.startswith("/-/"):
        raise argparse.ArgumentTypeError(f"{text!r} must be a path such as /metrics")
    if text in _TAKEN or text.startswith(("/api/", "/callback/")):
        raise argparse.ArgumentTypeError(f"{text!r} is used by another page; choose a path such as /metrics")
    return text


def positive(text: str) -> float:
    """A number above 0."""
    if not re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) or not 0 < float(text) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0")
    return float(text)


def count(text: str) -> int:
    """A whole number, 0 or more."""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, 0 or more")
    return int(text)
