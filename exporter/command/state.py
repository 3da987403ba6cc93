"""The command `state`: copies the whole state between a file and PostgreSQL."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from exporter.errors import StateError
from exporter.keys import Key
from exporter.tracking.copying import copy
from exporter.tracking.database import Database
from exporter.tracking.tables import Connection

_LEASE_SECONDS = 300.0  # how long the database may take for a statement


def run(args: argparse.Namespace) -> int:
    """Copy, and print what was copied. Returns the exit status. Raises `StateError`, and then has copied nothing."""
    if not _is_url(args.source) and not Path(args.source).is_file():
        raise StateError(f"{args.source} is no file; name the file of state.path, or a postgresql:// URL")
    with ExitStack() as stack:
        source, target = (stack.enter_context(_opened(place)) for place in (args.source, args.target))
        counts = copy(source, target)
    print(", ".join(f"{count:,} {table}" for table, count in counts.items()))
    return 0


def _is_url(place: str) -> bool:
    return place.startswith(("postgresql://", "postgres://"))


@contextmanager
def _opened(place: str) -> Iterator[Connection]:
    """A transaction in the file or in the database, which nobody else uses meanwhile."""
    if _is_url(place):
        with _database(place) as connection:
            yield connection
        return
    database = Database(Path(place))
    try:
        with database.transaction("cannot be copied") as file:
            yield file
    finally:
        database.close()


@contextmanager
def _database(url: str) -> Iterator[Connection]:
    try:
        from exporter.replicas.session import Session
    except ImportError as error:
        remedy = "pip install 'vod-transcode-exporter[postgres]'"
        raise StateError(f"PostgreSQL needs psycopg ({error}); {remedy}") from None
    session = Session(Key(url), replica="copy", lease=_LEASE_SECONDS)
    try:
        with session.transaction() as db:
            db.execute("LOCK TABLE accounts, inbox IN EXCLUSIVE MODE")
            if session.others():
                raise StateError("replicas use this database; stop them first")
            if db.execute("SELECT 1 FROM inbox LIMIT 1"):
                raise StateError("registrations wait in this database; start a replica, and scrape it once")
            yield db
    finally:
        session.leave()
