"""What signals do: SIGTERM and SIGINT stop the process, SIGHUP reloads the configuration."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from types import FrameType


@contextlib.contextmanager
def hangups() -> Iterator[SimpleQueue[None]]:
    """A queue that gets an entry for each SIGHUP. Without a handler, a SIGHUP during the start would end the process.

    It is a `SimpleQueue` because a signal may interrupt a `put` in the same thread, and only its `put` allows that:
    https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put
    """
    received: SimpleQueue[None] = SimpleQueue()
    handler = signal.signal(signal.SIGHUP, lambda *_: received.put(None))
    try:
        yield received
    finally:
        signal.signal(signal.SIGHUP, handler)


@contextlib.contextmanager
def signals(stop: Callable[[], object] = lambda: None, *, hangup: bool = False) -> Iterator[Callable[[], bool]]:
    """SIGTERM and SIGINT call `stop`; a second signal ends the process at once.

    The yielded function returns whether a signal came. With `hangup`, SIGHUP calls `stop` too. It never counts as the
    second signal: a terminal that closes may send two. The signals are kept in a list, not in an `Event`: the handler
    may interrupt the thread that holds its lock.
    """
    seen: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        if seen and number == signal.SIGHUP:
            return
        if seen:
            os._exit(128 + number)
        seen.append(number)
        stop()

    numbers = (signal.SIGTERM, signal.SIGINT, *((signal.SIGHUP,) if hangup else ()))
    handlers = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
