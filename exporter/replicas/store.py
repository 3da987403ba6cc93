"""The state of one account in PostgreSQL, for as long as this replica holds the account."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from exporter.errors import LeaseEnded, StateError
from exporter.replicas.session import HELD, Session
from exporter.tracking import tables
from exporter.tracking.holdings import Message
from exporter.tracking.store import Changes, Stored

_MESSAGES_AT_ONCE = 1000


def lock_key(account: str) -> int:
    """The second part of the lock of the account: 32 bits with a sign, as PostgreSQL has them."""
    return int.from_bytes(hashlib.sha256(account.encode()).digest()[:4], "big", signed=True)


class HeldStore:
    """Implements `Store` for one account and one epoch: the number of times that a replica has taken the account.

    Every transaction checks the epoch, and locks it until its end. After an error the session is over. Then what the
    transaction did is unknown, and the state is loaded again with the next epoch.
    """

    def __init__(self, session: Session, account: str, epoch: int) -> None:
        self._session = session
        self._account = account
        self._epoch = epoch
        self._given_back = False

    def valid(self) -> bool:
        """Whether this replica certainly still holds the account."""
        return not self._given_back and self._session.valid

    def give_back(self) -> None:
        """Let other replicas take the account. It must be closed. Raises `StateError`."""
        self._given_back = True
        with self._session.transaction() as db:
            db.execute("UPDATE accounts SET holder = '' WHERE name = ? AND epoch = ?", (self._account, self._epoch))
        with self._session.transaction() as db:  # after the commit
            db.execute("SELECT pg_advisory_unlock(?, ?)", (HELD, lock_key(self._account)))

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        if self._given_back:
            raise LeaseEnded("the account was given back to the other replicas")
        with self._session.transaction() as db:
            found = db.execute(
                "SELECT 1 FROM accounts WHERE name = ? AND epoch = ? FOR UPDATE", (self._account, self._epoch)
            )
            if not found:
                raise StateError(f"another replica has taken the account {self._account}")
            yield db

    def load(self, account: str, *, now: float) -> Stored:
        """See `Store.load`. Records are parsed outside of the transaction, so that the lease is renewed meanwhile."""
        with self._transaction() as db:
            rows = tables.rows(db, account, now=now)
        stored, lost = tables.parsed(account, rows)
        if lost:
            with self._transaction() as db:
                tables.forget(db, account, lost, now=now)
        return stored

    def save(self, account: str, changes: Changes) -> None:
        """See `Store.save`. The messages that led to the changes leave the inbox."""
        with self._transaction() as db:
            tables.save(db, account, changes, shrink=False)
            if changes.messages:
                db.execute("DELETE FROM inbox WHERE number = ANY(?)", (list(changes.messages),))

    def remembered(self, account: str, task_ids: Iterable[str]) -> Mapping[str, bool]:
        """See `Store.remembered`."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT task_id, finished FROM remembered WHERE account = ? AND task_id = ANY(?)",
                (account, list(task_ids)),
            )
        return dict(rows)

    def messages(self) -> Sequence[Message]:
        """The oldest messages that other replicas have left. Raises `StateError`."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT number, message FROM inbox WHERE account = ? ORDER BY number LIMIT ?",
                (self._account, _MESSAGES_AT_ONCE),
            )
        return [Message(number, text) for number, text in rows]

    def close(self) -> None:
        """The session is shared with other accounts, and stays open."""
