"""Files of the repository that an installed package carries a copy of: rules, dashboards, runbooks."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def files(name: str) -> Path:
    """The path of a folder of the repository. An installed package has a copy in `exporter/share`."""
    installed = _PACKAGE / "share" / name
    return installed if installed.exists() else _PACKAGE.parent / name
