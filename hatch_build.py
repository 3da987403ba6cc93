"""Writes the commit into the packages that are built, for `vod-transcode-exporter --version`."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILE = "exporter/share/revision"


class Revision(BuildHookInterface):  # type: ignore[type-arg] # any kind of package
    """Adds a file with the commit to wheel and sdist. A build from an sdist uses the file in it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each build. An editable installation has no revision: its files change."""
        if version == "editable":
            return
        source = Path(self.root, FILE)
        if not source.exists() and (revision := _revision(self.root)):
            self._folder = tempfile.TemporaryDirectory()
            source = Path(self._folder.name, "revision")
            source.write_text(revision)
        if source.exists():
            build_data["force_include"][str(source)] = FILE


def _revision(root: str) -> str | None:
    """The commit of the checkout, with `-dirty` if files have changed; None outside Git."""
    if not Path(root, ".git").exists():  # Git would take the repository of a folder above
        return None
    command = ["git", "-C", root, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
