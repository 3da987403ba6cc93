"""The files that the package carries for its users, and their copies in a folder of a user."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exporter.errors import OutputError
from exporter.share import files


@dataclass(frozen=True, slots=True)
class _Kind:
    """Files in `folder` that match `pattern`. `name` is the name of the copy, if it differs; then there is one file."""

    folder: str
    pattern: str
    name: str | None = None

    def paths(self) -> dict[str, Path]:
        """The files of the package by the names of their copies."""
        return {self.name or path.name: path for path in sorted(files(self.folder).glob(self.pattern))}


KINDS: Mapping[str, _Kind] = {
    "rules": _Kind("deploy/prometheus", "vod-transcode.*.yml"),
    "dashboards": _Kind("grafana/dashboards", "*.json"),
    "runbooks": _Kind("docs/runbooks", "*.md"),
    "unit": _Kind("deploy/systemd", "*.service"),
    "config": _Kind("deploy", "config.example.yml", "vod-transcode-exporter.yml"),
}


def run(args: argparse.Namespace) -> int:
    """The command `write`: copy the files, and print their paths. Returns the exit status. Raises `OutputError`."""
    for path, result in write(args.kind, args.folder, overwrite=args.overwrite):
        print(f"{result} {path}")
    return 0


def write(kind: str, folder: Path, *, overwrite: bool) -> list[tuple[Path, str]]:
    """Copy the files of a kind into `folder`, which is created. Returns each path, and `written` or `unchanged`.

    If the folder has a file with other content, raises `OutputError` with its name and writes nothing, unless
    `overwrite` is True. `OutputError` also says why a file cannot be written.
    """
    copies = {folder / name: path.read_bytes() for name, path in KINDS[kind].paths().items()}
    done = []
    try:
        present = {path: path.read_bytes() for path in copies if path.exists()}
        changed = [str(path) for path, content in present.items() if content != copies[path]]
        if changed and not overwrite:
            raise OutputError(
                f"{', '.join(changed)} already exist{'s' if len(changed) == 1 else ''} with other content; nothing was "
                "written; use another folder, or --overwrite"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in copies.items():
            same = present.get(path) == content
            if not same:
                _replace(path, content)
            done.append((path, "unchanged" if same else "written"))
    except OSError as error:
        raise OutputError(f"cannot write {error.filename or folder}: {error.strerror}; use another folder") from None
    return done


def _replace(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all: a program that watches the folder never reads half of it."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
