"""The status page: what a snapshot says, for people."""

from __future__ import annotations

from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader

from exporter import __version__
from exporter.snapshot import Snapshot

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MAX_ROWS = 200


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


_environment = Environment(
    loader=PackageLoader("exporter.web"), autoescape=True, trim_blocks=True, lstrip_blocks=True, auto_reload=False
)
_environment.filters["moment"] = _moment
_template = _environment.get_template("status.html")


def status_page(snapshot: Snapshot, *, telemetry_path: str) -> str:
    """HTML without scripts; text from VOD is escaped. Asks nothing of VOD."""
    return _template.render(snapshot=snapshot, telemetry_path=telemetry_path, version=__version__, max_rows=MAX_ROWS)
