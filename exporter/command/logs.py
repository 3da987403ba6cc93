"""Log lines on stderr in the formats of Prometheus: logfmt or JSON, one line for each record, without secrets."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TextIO

from exporter.masks import mask

_log = logging.getLogger(__name__)

FORMATS = ("logfmt", "json")
LEVELS = ("debug", "info", "warn", "error")

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_PLAIN = re.compile(r"[^\s\"=\\\x00-\x1f\x7f-\x9f]+")
_LEVEL_NAMES = {"warning": "warn", "critical": "error"}


def set_up(*, level: str, format: str, stream: TextIO | None = None) -> None:  # noqa: A002 - the flag is named so
    """Log to `stream` in UTF-8; the default is stderr. `level` is the lowest to log, one of `LEVELS`.

    `format` is one of `FORMATS`.
    """
    stream = stream or sys.stderr
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JsonFormatter() if format == "json" else _LogfmtFormatter())
    handler.setLevel({"warn": "WARNING"}.get(level, level.upper()))
    logging.basicConfig(level=handler.level, handlers=[handler], force=True)
    for name in ("urllib3", "asyncio"):  # they log every connection
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of each malformed request; web/refusals counts them
    threading.excepthook = _log_end_of_thread


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    """Log an exception that ends a thread on one line; Python would print a traceback of many lines."""
    assert ended.exc_value is not None  # noqa: S101 - None only while the interpreter shuts down
    name = ended.thread.name if ended.thread else "unknown"
    _log.error("bug in a thread", exc_info=ended.exc_value, extra={"in_thread": name})


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    yield "ts", datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    level = record.levelname.lower()
    yield "level", _LEVEL_NAMES.get(level, level)
    yield "component", record.name.removeprefix("exporter.")
    yield "msg", mask(record.getMessage().strip())
    for key, value in vars(record).items():
        if key not in _STANDARD:
            yield key, value if isinstance(value, int | float | None) else mask(str(value))
    if record.exc_info:
        # Line by line, because the last line has the error, and a mask cuts what is too long.
        yield "exception", "\n".join(map(mask, logging.Formatter().formatException(record.exc_info).splitlines()))


class _LogfmtFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{key}={_quoted(str(value))}" for key, value in _fields(record))


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _visible(json.dumps(dict(_fields(record)), ensure_ascii=False))


def _quoted(text: str) -> str:
    """Plain text unchanged, other text as a JSON string without control characters."""
    return text if _PLAIN.fullmatch(text) and text.isprintable() else _visible(json.dumps(text, ensure_ascii=False))


def _visible(text: str) -> str:
    """A JSON text in which characters that cannot be seen are escaped. Messages of VOD may be in Chinese."""
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
