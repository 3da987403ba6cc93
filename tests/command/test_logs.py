"""Log lines: one for each event, in a format that programs can parse, for any text."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
from collections.abc import Iterator

import pytest

from exporter.command import logs
from exporter.masks import LIMIT, remember

HOSTILE = [
    "two\nlines",
    "carriage\rreturn",
    'level=error msg="forged"',
    "\x1b[31mred\x1b[0m",
    "back\\slash and \"quote\" and 'quote'",
    "tab\tnul\x00bell\x07del\x7fc1\x9b31m",
    "line\u2028paragraph\u2029next\x85line",
    "left\u202eright",
    "lone \ud800 surrogate",
    "视频 🎬 ü",
    "",
    "a=b",
    "x" * 100_000,
]
_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?: |$)')


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Restore logging after each test: `set_up` changes it for the whole process."""
    root, hook = logging.getLogger(), threading.excepthook
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("urllib3", "uvicorn", "asyncio")}
    root.handlers = []  # `force` would close the handlers of pytest
    yield
    root.handlers = handlers
    root.setLevel(level)
    for name, former in levels.items():
        logging.getLogger(name).setLevel(former)
    threading.excepthook = hook


def set_up(format: str = "logfmt", level: str = "info") -> io.TextIOWrapper:  # noqa: A002 - as in `logs`
    """Log to a stream that accepted only ASCII before, like a terminal in the C locale."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict", write_through=True)
    logs.set_up(level=level, format=format, stream=stream)
    return stream


def lines(stream: io.TextIOWrapper) -> list[str]:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    text = buffer.getvalue().decode()
    assert text == "" or text.endswith("\n")
    return text.split("\n")[:-1]


def read_logfmt(line: str) -> dict[str, str]:
    pairs, at = {}, 0
    while at < len(line):
        match = _PAIR.match(line, at)
        assert match, f"no logfmt at {at}: {line[at : at + 80]}"
        key, value = match.groups()
        pairs[key] = json.loads(value) if value.startswith('"') else value
        at = match.end()
    return pairs


def raised(text: str) -> RuntimeError:
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError(text)
    return caught.value


def read(line: str, form: str) -> dict[str, str]:
    if form == "logfmt":
        return read_logfmt(line)
    fields: dict[str, str] = json.loads(line)
    return fields


def cut(text: str) -> str:
    return text if len(text) <= LIMIT else f"{text[: LIMIT - 1]}…"


@pytest.mark.parametrize("form", logs.FORMATS)
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_any_text_is_one_line_that_reads_back(form: str, text: str) -> None:
    """As a value and within the message. No text forges a line, and no character gets out that cannot be seen.

    A long text is cut.
    """
    stream = set_up(form)
    logging.getLogger("exporter.test").warning("saw %s.", text, extra={"error": text})
    (line,) = lines(stream)
    assert line.isprintable()
    fields = read(line, form)
    assert list(fields) == ["ts", "level", "component", "msg", "error"]
    assert (fields["level"], fields["component"]) == ("warn", "test")
    assert fields["msg"] == cut(f"saw {text}.")
    assert fields["error"] == cut(text)


@pytest.mark.parametrize("form", logs.FORMATS)
def test_chinese_messages_of_vod_are_readable(form: str) -> None:
    stream = set_up(form)
    logging.getLogger("exporter.test").warning("VOD refused", extra={"error": "视频不存在：请检查"})
    (line,) = lines(stream)
    assert "视频不存在：请检查" in line


@pytest.mark.parametrize("form", logs.FORMATS)
@pytest.mark.parametrize("text", HOSTILE[:9], ids=ascii)
def test_an_exception_is_one_line_with_its_traceback(form: str, text: str) -> None:
    stream = set_up(form)
    logging.getLogger("exporter.test").error("bug", exc_info=raised(text))
    (line,) = lines(stream)
    fields = read(line, form)
    assert fields["exception"].startswith("Traceback (most recent call last):\n")
    assert "RuntimeError" in fields["exception"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_exception_that_ends_a_thread_is_one_line() -> None:
    """Python alone would print a traceback of many lines."""
    stream = set_up()

    def fail() -> None:
        raise RuntimeError("two\nlines")

    thread = threading.Thread(target=fail, name="refresh prod")
    thread.start()
    thread.join()
    (line,) = lines(stream)
    fields = read_logfmt(line)
    assert (fields["level"], fields["in_thread"]) == ("error", "refresh prod")
    assert "RuntimeError: two\nlines" in fields["exception"]


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warn", "error", "error"]),
        ("info", ["info", "warn", "error", "error"]),
        ("warn", ["warn", "error", "error"]),
        ("error", ["error", "error"]),
    ],
)
def test_a_level_hides_what_is_below_it(level: str, seen: list[str]) -> None:
    stream = set_up(level=level)
    log = logging.getLogger("exporter.test")
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        log.log(number, "m")
    assert [read_logfmt(line)["level"] for line in lines(stream)] == seen


@pytest.mark.parametrize("level", logs.LEVELS)
@pytest.mark.parametrize("name", ["urllib3.connectionpool", "asyncio"])
def test_libraries_log_warnings_but_no_connections(level: str, name: str) -> None:
    stream = set_up(level=level)
    logging.getLogger(name).info("Starting new connection")
    logging.getLogger(name).warning("retrying")
    assert len(lines(stream)) == (0 if level == "error" else 1)


def test_the_server_logs_errors_but_no_malformed_requests() -> None:
    """uvicorn warns of each malformed request. Refusals count and log them."""
    stream = set_up()
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application")
    (line,) = lines(stream)
    assert "Exception" in line


def test_plain_values_have_no_quotes() -> None:
    stream = set_up()
    logging.getLogger("exporter.web.app").info("listening", extra={"address": "[::]:10870", "count": 3})
    (line,) = lines(stream)
    assert re.fullmatch(
        r"ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=info component=web\.app msg=listening"
        r" address=\[::\]:10870 count=3",
        line,
    )


def test_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(level="info", format="logfmt")
    logging.getLogger("exporter").info("here")
    out, err = capsys.readouterr()
    assert (out, "msg=here" in err) == ("", True)


@pytest.mark.parametrize("form", logs.FORMATS)
def test_no_part_of_a_line_shows_a_secret(form: str) -> None:
    """Neither the message nor a field nor an exception."""
    remember("Sw5V5dBr8qLSgP4eNVIsqXnJuwkS7d")
    stream = set_up(form)
    quoted = "Sw5V5dBr8qLSgP4eNVIsqXnJuwkS7d, Signature: SECRETSIG"
    logging.getLogger("exporter.test").error("saw %s", quoted, exc_info=raised(quoted), extra={"error": [quoted]})
    (line,) = lines(stream)
    assert "Sw5V5dBr8qLSgP4e" not in line
    assert "SECRETSIG" not in line
    assert line.count("<secret>, Signature: ") == 3


@pytest.mark.parametrize("form", logs.FORMATS)
def test_a_long_traceback_keeps_its_last_line(form: str) -> None:
    stream = set_up(form)
    logging.getLogger("exporter.test").error("failed", exc_info=raised("\n".join(["a line"] * LIMIT + ["the end"])))
    (line,) = lines(stream)
    assert read(line, form)["exception"].endswith("the end")
