"""The command `write`: which files of the package it writes, and what it leaves alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from exporter import config
from exporter.command import carried
from tests.command.conftest import Run

ROOT = Path(__file__).parents[2]
NAMES = {
    "rules": {"vod-transcode.alerts.yml", "vod-transcode.rules.yml"},
    "dashboards": {path.name for path in (ROOT / "grafana" / "dashboards").glob("*.json")},
    "runbooks": {path.name for path in (ROOT / "docs" / "runbooks").iterdir()},
    "unit": {"vod-transcode-exporter.service"},
    "config": {"vod-transcode-exporter.yml"},
}


@pytest.mark.parametrize("kind", carried.KINDS)
def test_write_makes_the_folder_and_names_each_file(run: Run, kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "new" / kind
    status, out, err = run("write", kind, str(folder))
    assert (status, err) == (0, "")
    assert {path.name for path in folder.iterdir()} == NAMES[kind]
    assert sorted(out.splitlines()) == sorted(f"written {folder / name}" for name in NAMES[kind])


def test_written_files_can_be_used(run: Run, tmp_path: Path) -> None:
    for kind in carried.KINDS:
        run("write", kind, str(tmp_path))
    assert json.loads((tmp_path / "vod-overview.json").read_text())["uid"] == "vod-overview"
    assert yaml.safe_load((tmp_path / "vod-transcode.alerts.yml").read_text())["groups"]
    assert config.load(tmp_path / "vod-transcode-exporter.yml").accounts


def test_files_are_readable_as_the_umask_allows(run: Run, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        run("write", "config", str(tmp_path))
    finally:
        os.umask(before)
    assert (tmp_path / "vod-transcode-exporter.yml").stat().st_mode & 0o777 == 0o640


def test_a_second_write_changes_nothing(run: Run, tmp_path: Path) -> None:
    run("write", "config", str(tmp_path))
    path = tmp_path / "vod-transcode-exporter.yml"
    before = path.stat()
    assert run("write", "config", str(tmp_path)) == (0, f"unchanged {path}\n", "")
    assert path.stat() == before


def test_a_file_of_the_user_stays_and_no_other_file_is_written(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "vod-transcode.rules.yml"
    own.write_text("mine\n")
    status, out, err = run("write", "rules", str(tmp_path))
    assert (status, out) == (1, "")
    assert f"{own} already exists with other content; nothing was written" in err
    assert [path.name for path in tmp_path.iterdir()] == [own.name]
    assert own.read_text() == "mine\n"


def test_overwrite_replaces_a_file_of_the_user(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "vod-transcode-exporter.yml"
    own.write_text("mine\n")
    assert run("write", "config", str(tmp_path), "--overwrite") == (0, f"written {own}\n", "")
    assert own.read_bytes() == (ROOT / "deploy" / "config.example.yml").read_bytes()


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, out, err = run("write", "config", str(tmp_path / "file"))
    assert (status, out) == (1, "")
    assert f"cannot write {tmp_path / 'file'}" in err


def test_a_disk_that_is_full_leaves_no_part_of_a_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", full)
    status, _, err = run("write", "config", str(tmp_path))
    assert status == 1
    assert "No space left on device" in err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_gets_the_list_of_kinds(run: Run) -> None:
    status, _, err = run("write", "alerts", "folder")
    assert status == 2
    assert all(kind in err for kind in carried.KINDS)
