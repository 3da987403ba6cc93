"""Threads: functions run at once, idle threads are used again, and hanging ones do not delay the end of the process."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from exporter.scrape import threads
from exporter.scrape.threads import Threads
from tests.conftest import wait_until


def alive(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_a_result_and_an_error_reach_the_caller_that_waits() -> None:
    made = Threads("results")

    assert made.submit(lambda: 42).result(10) == 42
    with pytest.raises(ZeroDivisionError):
        made.submit(lambda: 1 / 0).result(10)


def test_functions_that_come_together_run_together() -> None:
    """No function waits for another one to end."""
    made, together = Threads("together"), threading.Barrier(50)

    for future in [made.submit(lambda: together.wait(10)) for _ in range(50)]:
        future.result(10)


def test_an_idle_thread_is_used_again() -> None:
    made = Threads("again")
    idents = set()
    for _ in range(20):
        idents.add(made.submit(threading.get_ident).result(10))
        wait_until(lambda: made._idle == 1)

    assert len(idents) == 1
    assert alive("again") == 1


def test_a_thread_that_stays_idle_ends_and_the_next_function_gets_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_IDLE_SECONDS", 0.01)
    made = Threads("idle")
    made.submit(lambda: None).result(10)
    wait_until(lambda: alive("idle") == 0)

    assert made.submit(lambda: 42).result(10) == 42


def test_no_function_is_lost_while_idle_threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_IDLE_SECONDS", 0.001)
    made = Threads("lost")
    for number in range(300):
        time.sleep(0.0005 * (number % 5))
        assert made.submit(partial(int, number)).result(10) == number


def test_without_a_new_thread_the_error_comes_at_once_and_nothing_runs_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[str] = []

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    made = Threads("refused")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            made.submit(lambda: ran.append("refused"))
    made.submit(lambda: ran.append("accepted")).result(10)

    assert ran == ["accepted"]


def test_a_function_that_hangs_does_not_hold_the_end_of_the_process() -> None:
    script = (
        "import time; from exporter.scrape.threads import Threads; Threads('hangs').submit(lambda: time.sleep(600))"
    )

    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0
