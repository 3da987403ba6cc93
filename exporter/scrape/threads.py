"""A pool of reusable daemon threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

_T = TypeVar("_T")

_IDLE_SECONDS = 5.0


class Threads:
    """Runs each function in an idle thread, or in a new one. A thread that is idle for some seconds ends.

    Python waits for the threads of a `ThreadPoolExecutor` before the process ends. These are daemon threads instead,
    because a function here may hang in a DNS lookup or on a disk.

    There is no upper limit here, because each account limits its own functions. With a common limit, an account that
    hangs could block the others. Safe to use from several threads.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._idle = 0  # waiting threads minus functions in the queue
        self._functions: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def submit(self, function: Callable[[], _T]) -> Future[_T]:
        """Run the function in a thread. Raises `RuntimeError` if no thread is idle and no new thread can start."""
        future: Future[_T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - the future passes it on to its readers
                future.set_exception(error)

        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
            self._functions.put(run)
        return future

    def _work(self) -> None:
        while True:
            try:
                function = self._functions.get(timeout=_IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if self._idle:
                        self._idle -= 1
                        return
                continue  # `submit` has assigned a function to this thread
            function()
            del function  # so that an idle thread keeps nothing alive
            with self._lock:
                self._idle += 1
