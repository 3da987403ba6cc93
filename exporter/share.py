"""Files of the repository that an installed package carries a copy of, and the revision that it was built from."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def files(name: str) -> Path:
    """The path of a folder of the repository. An installed package has a copy in `exporter/share`."""
    installed = _PACKAGE / "share" / name
    return installed if installed.exists() else _PACKAGE.parent / name


def revision() -> str:
    """The commit that the installed package was built from; `unknown` in a checkout. `hatch_build.py` writes it."""
    try:
        return (_PACKAGE / "share" / "revision").read_text().strip()
    except FileNotFoundError:
        return "unknown"
