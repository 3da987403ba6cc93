"""SIGTERM and SIGINT stop a process, a second one ends it at once; SIGHUP is queued or stops it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from exporter.command.signals import hangups, signals

_TWICE = """
import os, signal
from exporter.command.signals import signals
with signals(hangup=True):
    os.kill(os.getpid(), signal.{first})
    os.kill(os.getpid(), signal.{second})
    print("still running", flush=True)
"""


def _raise(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_calls_stop_and_is_remembered(number: signal.Signals) -> None:
    calls: list[str] = []
    with signals(lambda: calls.append("stop")) as stopped:
        assert not stopped()
        _raise(number)
        assert stopped()
    assert calls == ["stop"]


def test_handlers_are_restored_at_the_end() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with hangups(), signals(hangup=True):
        assert all(signal.getsignal(number) != handler for number, handler in zip(numbers, before, strict=True))
    assert [signal.getsignal(number) for number in numbers] == before


def test_sighup_has_its_usual_handler_unless_it_should_stop() -> None:
    before = signal.getsignal(signal.SIGHUP)
    with signals():
        assert signal.getsignal(signal.SIGHUP) == before


def test_each_sighup_is_queued() -> None:
    with hangups() as received:
        _raise(signal.SIGHUP)
        _raise(signal.SIGHUP)
        assert received.qsize() == 2


def test_sighup_stops_if_asked_to() -> None:
    calls: list[str] = []
    with signals(lambda: calls.append("stop"), hangup=True) as stopped:
        _raise(signal.SIGHUP)
        _raise(signal.SIGHUP)
        assert stopped()
    assert calls == ["stop"]


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [("SIGTERM", "SIGTERM", 128 + 15), ("SIGTERM", "SIGINT", 128 + 2), ("SIGHUP", "SIGTERM", 128 + 15)],
)
def test_second_signal_ends_the_process_at_once(first: str, second: str, status: int) -> None:
    code = _TWICE.format(first=first, second=second)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (status, b"")


def test_sighup_never_counts_as_the_second_signal() -> None:
    code = _TWICE.format(first="SIGTERM", second="SIGHUP")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (0, b"still running\n")
