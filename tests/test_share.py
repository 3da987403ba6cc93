"""The files that the package carries."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter import share

ROOT = Path(__file__).parents[1]


def test_in_the_repository_the_files_are_those_of_the_repository() -> None:
    assert share.files("docs/runbooks") == ROOT / "docs" / "runbooks"


def test_an_installed_package_has_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "share" / "docs" / "runbooks"
    copy.mkdir(parents=True)
    monkeypatch.setattr(share, "_PACKAGE", tmp_path)

    assert share.files("docs/runbooks") == copy
    assert share.files("deploy/prometheus") == tmp_path.parent / "deploy" / "prometheus"
