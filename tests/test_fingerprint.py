"""A file that has changed has another fingerprint."""

from __future__ import annotations

import os
from pathlib import Path

from exporter.fingerprint import fingerprint


def test_an_unchanged_file_keeps_its_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    assert fingerprint(path.stat()) == fingerprint(path.stat())


def test_a_replaced_file_of_the_same_size_and_time_has_another_fingerprint(tmp_path: Path) -> None:
    path, new = tmp_path / "file", tmp_path / "new"
    path.write_text("a")
    before = path.stat()
    new.write_text("b")
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(path)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert fingerprint(path.stat()) != fingerprint(before)
