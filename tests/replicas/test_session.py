"""The connection of a replica: what it refuses, and when its lease ends."""

from __future__ import annotations

import threading

import pytest

from exporter.errors import StateError
from exporter.keys import Key
from exporter.replicas import schema
from exporter.replicas.session import Session
from tests.conftest import wait_until
from tests.replicas.conftest import Bouncer, Connect, Network, Server, Time


def test_the_server_ends_a_silent_session_no_earlier_than_its_lease_ends(connect: Connect) -> None:
    session = connect(lease=30.0)
    with session.transaction() as db:
        limits = dict(db.execute("SELECT name, setting FROM pg_settings WHERE name ~ 'timeout|tcp_'"))
        ((commit,),) = db.execute("SHOW synchronous_commit")

    assert limits["idle_session_timeout"] == limits["idle_in_transaction_session_timeout"] == "30000"
    assert (limits["statement_timeout"], limits["lock_timeout"], commit) == ("30000", "15000", "on")
    assert float(limits["tcp_user_timeout"]) >= 30000
    assert float(limits["tcp_keepalives_idle"]) >= 30


def test_a_lease_counts_from_when_a_statement_was_sent_and_each_answer_renews_it(connect: Connect) -> None:
    clock = Time()
    session = connect(lease=30.0, clock=clock)
    valid = []
    clock.now += 29.0
    valid.append(session.valid)
    with session.transaction():
        pass
    clock.now += 29.0
    valid.append(session.valid)
    clock.now += 1.0
    valid.append(session.valid)

    assert valid == [True, True, False]
    with pytest.raises(StateError, match="lease"), session.transaction():
        pass


def test_a_thread_that_waits_for_the_database_gets_an_error_when_the_session_is_cut(
    connect: Connect, network: Network
) -> None:
    session, errors = connect(port=network.port), []
    network.cut()

    def ask() -> None:
        try:
            with session.transaction():
                pass
        except StateError as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(session._lock.locked)
    session.cut()
    asking.join(60)

    assert len(errors) == 1


def test_a_terminated_backend_ends_the_session_at_the_next_statement(connect: Connect, server: Server) -> None:
    session = connect("a")
    server.terminate("a")
    with pytest.raises(StateError, match="database of state"), session.transaction():
        pass

    assert not session.valid


def test_each_database_that_cannot_be_used_gets_one_sentence(server: Server, database: str, connect: Connect) -> None:
    connect().close()  # makes the schema
    url = server.url(database)
    missing = server.url("nowhere")

    def refused(url: str) -> str:
        with pytest.raises(StateError) as refusal:
            Session(Key(url), replica="a", lease=30.0)
        text = str(refusal.value)
        assert "\n" not in text
        return text

    assert "create the database" in refused(missing)
    assert "cannot be used" in refused(url.replace(str(server.port), "9"))
    server.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    assert "it accepts no writes" in refused(url)
    server.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    server.execute(f"UPDATE {schema.NAME}.schema_version SET version = 99, usable_from = 99", database=database)
    assert "upgrade the exporter" in refused(url)


def test_a_newer_schema_that_adds_only_what_older_exporters_do_not_need_is_used(
    server: Server, database: str, connect: Connect
) -> None:
    connect().close()
    server.execute(f"UPDATE {schema.NAME}.schema_version SET version = 99", database=database)

    assert connect().valid


def test_replicas_that_start_together_migrate_once(connect: Connect, server: Server, database: str) -> None:
    sessions: list[Session] = []
    starts = [threading.Thread(target=lambda: sessions.append(connect())) for _ in range(4)]
    for start in starts:
        start.start()
    for start in starts:
        start.join(60)

    assert [session.valid for session in sessions] == [True] * 4
    assert server.execute(f"SELECT count(*) FROM {schema.NAME}.schema_version", database=database) == [(1,)]


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_connection_pooler_is_refused(mode: str, server: Server, database: str, bouncer: Bouncer) -> None:
    port = bouncer(mode)

    with pytest.raises(StateError, match="behind a connection pooler"):
        Session(Key(server.url(database, port=port)), replica="a", lease=30.0)


def test_a_wrong_password_is_refused_with_the_remedy_and_shown_nowhere(server: Server, database: str) -> None:
    server.execute("DROP ROLE IF EXISTS secret")
    server.execute("CREATE ROLE secret LOGIN PASSWORD 'right-password'")
    url = server.url(database).replace("postgres@", "secret:wrong-password@")

    with pytest.raises(StateError) as refusal:
        Session(Key(url), replica="a", lease=30.0)

    assert "correct the user and the password in state.postgres" in str(refusal.value)
    assert "wrong-password" not in str(refusal.value)
