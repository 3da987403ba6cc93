"""One direct connection to PostgreSQL. It holds the locks of this replica, and it writes.

The server ends a session that was silent for the length of the lease, and with it the locks. This side counts from the
moment at which a statement was sent. So its lease ends first, whatever the network does.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg

from exporter.errors import LeaseEnded, StateError
from exporter.keys import Key
from exporter.masks import remember
from exporter.replicas import schema
from exporter.text import clean

_log = logging.getLogger(__name__)

HELD, PRESENT, MIGRATING = 0x564F4454, 0x564F4455, 0x564F4456  # classes of our advisory locks: "VODT" and the next ones
_FIRST_VERSION = 140000  # PostgreSQL 14 has idle_session_timeout
_ROWS_AT_ONCE = 1000  # of one statement; each answer renews the lease
_POOLER = "is behind a connection pooler, which moves sessions between connections; name the server itself"
_LONGEST = 300  # characters of what the database says
_REMEDIES = {
    "28P01": "correct the user and the password in state.postgres",
    "28000": "correct the user and the password in state.postgres, or pg_hba.conf of the server",
    "3D000": "create the database, or correct its name in state.postgres",
    "42501": f"let the user create a schema in the database, or make it the owner of the schema {schema.NAME}",
    "42P01": f"restore the database from a backup, or drop the schema {schema.NAME} to start with an empty state",
    "42703": f"restore the database from a backup, or drop the schema {schema.NAME} to start with an empty state",
    "53100": "make room on the disk of the database",
    "25006": "name a server that accepts writes, or all servers of the cluster, in state.postgres",
    "57014": "see why the database is slow, or raise state.lease",
    "08001": "start the database, or correct the host and the port in state.postgres",
    "55P03": "see which session has locked the tables of the state",
}


def boottime() -> float:
    """Seconds of a clock that also counts while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Session:
    """A connection from its start to its end. Safe to use from several threads.

    `lease` is in seconds. Raises `StateError` if there is no server that can be used. After an error nothing more is
    sent: the session is over.
    """

    def __init__(self, dsn: Key, *, replica: str, lease: float, clock: Callable[[], float] = boottime) -> None:
        self._lease = lease
        self._clock = clock
        self._lock = threading.Lock()
        self._answers = threading.Condition()
        self._over = False
        self.fault = "the lease of this replica has ended, because the database did not answer"
        self._sent = -math.inf  # when the last statement that was answered was sent
        with self._translated():
            self._connection = _connected(_url(dsn), replica=replica, lease=lease)
        self._wire = socket.socket(fileno=os.dup(self._connection.fileno()))
        try:
            with self._lock, self._translated():
                self._prepare()
        except StateError:
            self.close()
            raise

    def _prepare(self) -> None:
        """Refuse what is not fit, and set the limits of the session."""
        ((backend,),) = self._rows("SELECT pg_backend_pid()")
        if backend != self._connection.info.backend_pid:
            raise StateError(f"the database of state.postgres {_POOLER}")
        if self._connection.info.server_version < _FIRST_VERSION:
            raise StateError("the database of state.postgres is older than PostgreSQL 14; upgrade it")
        settings = _settings(self._lease)
        self._rows(
            "SELECT set_config(name, value, false) FROM unnest(?::text[], ?::text[]) AS one (name, value)",
            (list(settings), list(settings.values())),
        )
        self._rows("BEGIN")
        self._rows("SELECT pg_advisory_xact_lock(?, 0)", (MIGRATING,))
        self._migrate()
        self._rows("COMMIT")
        self._rows("SELECT pg_advisory_lock_shared(?, 0)", (PRESENT,))

    def _migrate(self) -> None:
        ((exists,),) = self._rows("SELECT count(*) FROM pg_namespace WHERE nspname = ?", (schema.NAME,))
        if not exists:
            self._rows(f"CREATE SCHEMA {schema.NAME}")
        self._rows("CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL, usable_from integer NOT NULL)")
        found = self._rows("SELECT version, usable_from FROM schema_version")
        version, usable_from = found[0] if found else (0, 0)
        newest = len(schema.MIGRATIONS)
        if usable_from > newest:
            raise StateError(
                f"the database of state.postgres has the schema {version} of a newer exporter; this one knows {newest};"
                " upgrade the exporter"
            )
        if version < newest:
            for migration in schema.MIGRATIONS[version:]:
                self._rows(migration)
            self._rows("DELETE FROM schema_version")
            self._rows("INSERT INTO schema_version VALUES (?, ?)", (newest, schema.USABLE_FROM))

    # The lease

    @property
    def valid(self) -> bool:
        """Whether the server certainly still has the locks of this session. Waits for nothing."""
        return not self._over and self._clock() < self.until

    @property
    def until(self) -> float:
        """When the lease ends unless a statement is answered, by the clock of the session."""
        return self._sent + self._lease

    def wait_for_answer(self, since: float, seconds: float) -> None:
        """Wait until a statement that was sent at `since` or later is answered, or the session is over."""
        with self._answers:
            self._answers.wait_for(lambda: self._over or self._sent >= since, timeout=seconds)

    def _renew(self, sent: float) -> None:
        with self._answers:
            self._sent = max(self._sent, sent)
            self._answers.notify_all()

    def cut(self) -> None:
        """End the session without waiting: a thread that waits for an answer gets an error."""
        self._end()
        with suppress(OSError):
            self._wire.shutdown(socket.SHUT_RDWR)

    def _end(self) -> None:
        with self._answers:
            self._over = True
            self._answers.notify_all()

    def close(self) -> None:
        """End the session. The server gives its locks to others."""
        self.cut()
        with self._lock:
            self._connection.close()
            self._wire.close()

    def leave(self) -> None:
        """End the session in an orderly way, so that the others do not count this replica any more."""
        with suppress(StateError), self.transaction() as db:
            db.execute("SELECT pg_advisory_unlock_all()")
        self.close()

    # Statements

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """All statements in the block, or none. Raises `StateError`, also if the lease has ended."""
        with self._lock:
            if not self.valid:
                raise LeaseEnded(self.fault)
            with self._translated():
                self._rows("BEGIN")
                try:
                    yield self
                except psycopg.Error:
                    raise
                except BaseException:
                    self._rows("ROLLBACK")
                    raise
                self._rows("COMMIT")

    def others(self) -> int:
        """How many other replicas are connected. For use in `transaction`."""
        ((count,),) = self._rows(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid::bigint = ?"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            (PRESENT,),
        )
        return int(count) - 1

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> list[Any]:
        """The rows of a statement, for use in `transaction`. Parameters are `?`, as in SQLite."""
        return self._rows(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        """The statement for each row, for use in `transaction`."""
        remaining = iter(rows)
        with self._connection.cursor() as cursor:
            while some := list(islice(remaining, _ROWS_AT_ONCE)):
                sent = self._clock()
                cursor.executemany(_query(sql), some)
                self._renew(sent)

    def _rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[Any]:
        sent = self._clock()
        cursor = self._connection.execute(_query(sql), parameters)
        found = cursor.fetchall() if cursor.description is not None else []
        self._renew(sent)
        return found

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn errors of `psycopg` into `StateError`, and end the session with every error."""
        try:
            yield
        except psycopg.Error as error:
            self.fault = _sentence(error)
        except StateError as error:
            self.fault = str(error)
        else:
            return
        self._end()
        raise StateError(self.fault)


def _query(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


def _url(dsn: Key) -> str:
    """The URL of the database. Its password is masked from now on."""
    try:
        url = dsn.read().get_secret_value()
    except ValueError as error:
        raise StateError(f"the file {dsn.path} of state.postgres.dsn_file {error}") from None
    remember(url)
    if password := urlsplit(url).password:
        remember(password)
        remember(unquote(password))
    return url


def _connected(url: str, *, replica: str, lease: float) -> psycopg.Connection[Any]:
    return psycopg.connect(
        url,
        autocommit=True,
        application_name=f"vod-transcode-exporter {replica}",
        connect_timeout=max(2, int(lease / 2)),
        target_session_attrs="read-write",
        keepalives=1,
        keepalives_idle=max(1, int(lease / 4)),
        keepalives_interval=max(1, int(lease / 8)),
        keepalives_count=3,
        tcp_user_timeout=int(lease * 1000),
    )


def _settings(lease: float) -> dict[str, str]:
    """No limit of the network is shorter than the lease: the server must not give the locks away before its end."""
    milliseconds = int(lease * 1000)
    return {
        "search_path": schema.NAME,
        "idle_session_timeout": f"{milliseconds}",
        "idle_in_transaction_session_timeout": f"{milliseconds}",
        "statement_timeout": f"{milliseconds}",
        "lock_timeout": f"{milliseconds // 2}",
        "tcp_keepalives_idle": f"{math.ceil(lease)}",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": f"{milliseconds}",
        "client_connection_check_interval": "2000",
        "synchronous_commit": "on",
    }


# What libpq says when it cannot connect. psycopg has no code for these errors.
_CONNECTING = {
    "read-only": "25006",
    "not read-write": "25006",
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "pg_hba.conf": "28000",
    "role ": "28000",
    "database ": "3D000",
    "refused": "08001",
    "could not translate host name": "08001",
    "timeout expired": "08001",
}


def _sentence(error: psycopg.Error) -> str:
    """What the database said, and the remedy. psycopg shows no password."""
    text = " ".join(str(error).split()) or type(error).__name__
    code = error.sqlstate or next((code for part, code in _CONNECTING.items() if part in text), "")
    if "unsupported startup parameter" in text:
        return f"the database of state.postgres {_POOLER}"
    if code == "25006":
        text = "it accepts no writes"
    remedy = _REMEDIES.get(code, "see the log of the database; the exporter tries again")
    return f"the database of state.postgres cannot be used: {clean(text, _LONGEST)}; {remedy}"
