"""Files are read in a thread and for a limited time, and only if they are regular files."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter import reading
from tests.conftest import HeldFile, wait_until

Hold = Callable[[Path], HeldFile]


def readers() -> int:
    """The threads that read a file now."""
    return sum(thread.name == "read" for thread in threading.enumerate())


def refusal(path: Path) -> str | None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the reason is compared by each test
        reading.read(path, 10)
    return caught.value.strerror


def test_as_many_bytes_are_read_as_the_limit_says(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    assert (reading.read(path, 4), reading.read(path, 100)) == (b"0123", b"0123456789")
    assert reading.status(path).st_size == 10


def test_a_file_is_found_through_links(tmp_path: Path) -> None:
    """Kubernetes mounts a secret as links through `..data`, which it replaces."""
    (tmp_path / "..1").mkdir()
    (tmp_path / "..1" / "key").write_bytes(b"k")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "key").symlink_to("..data/key")
    assert reading.read(tmp_path / "key", 10) == b"k"


def test_a_fifo_a_socket_a_device_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))
        assert refusal(tmp_path / "socket") == "it is a socket, not a regular file"
    assert refusal(tmp_path / "fifo") == "it is a FIFO, not a regular file"
    assert refusal(Path("/dev/null")) == "it is a device, not a regular file"
    assert refusal(tmp_path) == os.strerror(errno.EISDIR)
    with pytest.raises(OSError, match="it is a FIFO"):
        reading.status(tmp_path / "fifo")


def test_a_pipe_that_the_process_has_inherited_is_read_to_its_end() -> None:
    """A shell makes one for `--config.file=<(command)`."""
    outlet, inlet = os.pipe()
    os.write(inlet, b"accounts: []")
    os.close(inlet)
    try:
        assert reading.read(Path(f"/dev/fd/{outlet}"), 100) == b"accounts: []"
    finally:
        os.close(outlet)


def test_a_pipe_that_nobody_writes_to_is_given_up() -> None:
    outlet, inlet = os.pipe()
    try:
        with pytest.raises(TimeoutError, match="its disk or pipe does not answer"):
            reading.read(Path(f"/proc/self/fd/{outlet}"), 100, seconds=0.01)
    finally:
        os.close(inlet)
        wait_until(lambda: not readers())
        os.close(outlet)


def test_a_file_that_hangs_is_given_up_and_tried_without_more_threads(tmp_path: Path, hold: Hold) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    held = hold(path)
    with pytest.raises(TimeoutError, match="its disk or pipe does not answer"):
        reading.read(path, 10, seconds=0.01)
    for read in (reading.read, lambda path, _: reading.status(path)):
        with pytest.raises(TimeoutError):
            read(path, 10)
    assert readers() == 1
    held.release()
    wait_until(lambda: not readers())
    assert reading.read(path, 10) == b"x"


def test_while_a_file_hangs_the_next_ones_get_less_time(
    tmp_path: Path, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All the key files of a start may be on the same disk."""
    monkeypatch.setattr(reading, "SECONDS", 0.01)
    monkeypatch.setattr(reading, "HURRY_SECONDS", 0.02)
    waits: list[float | None] = []
    join = threading.Thread.join

    def noted(thread: threading.Thread, timeout: float | None = None) -> None:
        if thread.name == "read":
            waits.append(timeout)
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", noted)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x")
        hold(tmp_path / name)
        with pytest.raises(TimeoutError):
            reading.read(tmp_path / name, 10)
    assert waits == [0.01, 0.02]


def test_a_name_that_no_file_can_have_is_a_value_error(tmp_path: Path) -> None:
    for name in ("a\0b", "a\ud800"):
        with pytest.raises(ValueError, match=r"null byte|null character|surrogates"):
            reading.read(tmp_path / name, 10)
