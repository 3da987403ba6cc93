"""This replica: takes accounts, renews its lease, and drops everything when the lease ends or the database fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress

from exporter.errors import StateError
from exporter.replicas.session import HELD, PRESENT, Session, boottime
from exporter.replicas.spread import to_take
from exporter.replicas.store import HeldStore, lock_key
from exporter.tracking.holdings import Holding
from exporter.tracking.measured import MeasuredStore

_log = logging.getLogger(__name__)

_HEARTBEATS = 8  # in a lease
_MAX_MESSAGES = 10_000  # of one account


# The server waits without a limit for the rest of a statement, if its sender has stopped. The lease of the sender ended
# long ago, because it counts from when a statement was sent.
_END_SILENT = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND granted AND classid::bigint = ? AND pid <> pg_backend_pid()"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND greatest(backend_start, query_start, state_change) < clock_timestamp() - make_interval(secs => ?)"
)


class Replica:
    """Implements `Holdings` with sessions that `connect` opens, one after the other.

    `name` is the name of this replica, `lease` is in seconds. `answered` and `saved` are as for `MeasuredStore`.
    Two threads run from `start` to `close`. One sends a heartbeat each eighth of the lease. The other never waits for
    the database, and ends the session when the lease has ended.
    """

    def __init__(
        self,
        connect: Callable[[], Session],
        *,
        name: str,
        lease: float,
        answered: Callable[[bool], None],
        saved: Callable[[float], None],
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._connect = connect
        self._name = name
        self._heartbeat = lease / _HEARTBEATS
        self._answered = answered
        self._saved = saved
        self._clock = clock
        self._lock = threading.Lock()  # of the fields below; nobody waits for the database with it
        self._session: Session | None = None
        self._connected_at = 0.0
        self._wanted: tuple[str, ...] = ()
        self._held: dict[str, tuple[HeldStore, Holding]] = {}
        self._holders: Mapping[str, str] = {}
        self._free_since: dict[str, float] = {}
        self._fault = ""
        self._changed: Callable[[], None] = lambda: None
        self._beat_now = threading.Event()
        self._closed = threading.Event()

    # Holdings

    def start(self, changed: Callable[[], None]) -> None:
        """See `Holdings.start`."""
        self._changed = changed
        for work in (self._beat_always, self._watch):
            threading.Thread(target=work, name="replica", daemon=True).start()

    def want(self, accounts: Collection[str]) -> None:
        """See `Holdings.want`."""
        with self._lock:
            self._wanted = tuple(accounts)
            unwanted = [self._held.pop(name)[0] for name in self._held.keys() - set(accounts)]
        self._give_back(unwanted)

    def of(self, account: str) -> Holding | None:
        """See `Holdings.of`."""
        with self._lock:
            held = self._held.get(account)
        return held[1] if held is not None and held[0].valid() else None

    def confirm(self, seconds: float) -> None:
        """See `Holdings.confirm`. If the database does not answer in time, the lease decides."""
        session, now = self._session, self._clock()
        if session is not None:
            self._beat_now.set()
            session.wait_for_answer(now, seconds)

    def holders(self) -> Mapping[str, str]:
        """See `Holdings.holders`."""
        return {name: self._holders.get(name, "") for name in self._wanted}

    def post(self, account: str, text: bytes) -> None:
        """See `Holdings.post`. The message is stored before this returns."""
        session = self._session
        if session is None:
            raise StateError("the database of state.postgres does not answer")
        with session.transaction() as db:
            ((waiting,),) = db.execute("SELECT count(*) FROM inbox WHERE account = ?", (account,))
            if waiting < _MAX_MESSAGES:
                db.execute("INSERT INTO inbox (account, message) VALUES (?, ?)", (account, text))
        if waiting >= _MAX_MESSAGES:
            raise StateError(f"{waiting:,} messages wait for the holder of {account}; see why nobody reads the account")

    def close(self) -> None:
        """See `Holdings.close`."""
        self._closed.set()
        self._beat_now.set()
        with self._lock:
            stores = [store for store, _ in self._held.values()]
            self._held = {}
            session, self._session = self._session, None
        if session is not None:
            self._give_back(stores)
            session.leave()

    def _give_back(self, stores: Iterable[HeldStore]) -> None:
        for store in stores:
            with suppress(StateError):
                store.give_back()

    # Heartbeats

    def _beat_always(self) -> None:
        while not self._closed.is_set():
            self.beat()
            self._beat_now.wait(self._heartbeat)
            self._beat_now.clear()

    def beat(self) -> None:
        """Renew the lease and take free accounts. After an error of the database everything is dropped."""
        try:
            gained = self._beat()
        except StateError as error:
            self._drop(str(error))
        else:
            self._answered(True)
            if self._fault:
                self._fault = ""
                _log.warning("the database of the state answers again")
            if gained:
                self._changed()

    def _beat(self) -> Collection[str]:
        session = self._session
        if session is None:
            session = self._connect()
            with self._lock:
                if self._closed.is_set():
                    session.cut()
                self._session, self._connected_at = session, self._clock()
        with session.transaction() as db:
            db.execute(_END_SILENT, (PRESENT, 2 * _HEARTBEATS * self._heartbeat))
            locks = db.execute(
                "SELECT classid::bigint, objid::bigint, count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                " AND classid::bigint IN (?, ?) GROUP BY 1, 2",
                (HELD, PRESENT),
            )
            names = dict(db.execute("SELECT name, holder FROM accounts"))
            replicas = sum(count for kind, _, count in locks if kind == PRESENT)
            taken = {key for kind, key, _ in locks if kind == HELD}
            gained = self._take(db, self._free(taken), replicas=max(1, replicas)) if self._is_settled() else {}
        keys = {name: lock_key(name) % 2**32 in taken for name in self._wanted}
        self._holders = {name: names.get(name, "") if held else "" for name, held in keys.items()} | dict.fromkeys(
            gained, self._name
        )
        return self._add(session, gained)

    def _is_settled(self) -> bool:
        """False in the first heartbeat of a session: other replicas may be starting too, and each takes its share."""
        return self._clock() - self._connected_at > self._heartbeat / 2

    def _free(self, taken: Collection[int]) -> Mapping[str, float]:
        """The wanted accounts that nobody holds, and for how many seconds."""
        now = self._clock()
        free = [name for name in self._wanted if lock_key(name) % 2**32 not in taken]
        self._free_since = {name: self._free_since.get(name, now) for name in free}
        return {name: now - since for name, since in self._free_since.items()}

    def _take(self, db: Session, free: Mapping[str, float], *, replicas: int) -> dict[str, int]:
        """Take some of the free accounts. Returns their epochs."""
        order, count = to_take(
            free,
            replica=self._name,
            held=len(self._held),
            wanted=len(self._wanted),
            replicas=replicas,
            heartbeat=self._heartbeat,
        )
        gained: dict[str, int] = {}
        for name in order:
            if len(gained) >= count:
                break
            ((locked,),) = db.execute("SELECT pg_try_advisory_lock(?, ?)", (HELD, lock_key(name)))
            if locked:
                ((gained[name],),) = db.execute(
                    "INSERT INTO accounts (name, state_created, epoch, holder) VALUES (?, ?, 1, ?)"
                    " ON CONFLICT (name) DO UPDATE SET epoch = accounts.epoch + 1, holder = excluded.holder"
                    " RETURNING epoch",
                    (name, time.time(), self._name),
                )
        return gained

    def _add(self, session: Session, gained: Mapping[str, int]) -> Collection[str]:
        for name, epoch in gained.items():
            store = HeldStore(session, name, epoch)
            measured = MeasuredStore(store, answered=self._answered, saved=self._saved)
            with self._lock:
                self._held[name] = store, Holding(measured, store.valid, store.messages)
            _log.info("account taken", extra={"account": name, "epoch": epoch})
        return gained.keys()

    # The end of a lease

    def _watch(self) -> None:
        while not self._closed.wait(self._heartbeat / 4):
            session = self._session
            if session is not None and not session.valid:
                self._drop(session.fault, session)

    def _drop(self, why: str, session: Session | None = None) -> None:
        """Drop the session and all accounts without saving. A commit without an answer may or may not have happened."""
        with self._lock:
            if session is not None and self._session is not session:
                return
            session, self._session = self._session, None
            lost, self._held = self._held, {}
            self._free_since = {}
        self._answered(False)
        if self._closed.is_set():
            return
        if why != self._fault:
            _log.error("the state cannot be used", extra={"error": why, "accounts": len(lost)})
        self._fault = why
        if session is not None:
            session.cut()
            threading.Thread(target=session.close, name="closing", daemon=True).start()
        if lost:
            self._changed()
