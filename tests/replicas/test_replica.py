"""Which replica holds which account, and when it drops them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from exporter.errors import StateError
from exporter.keys import Key
from exporter.replicas import schema
from exporter.replicas.replica import Replica
from exporter.replicas.session import Session
from exporter.tracking.store import Changes
from tests.conftest import wait_until
from tests.replicas.conftest import LEASE, Replicas, Server, held


def test_an_account_has_one_holder_and_the_others_name_it(replicas: Replicas) -> None:
    first, second = replicas.new("a", "prod"), replicas.new("b", "prod")
    replicas.beat(first, second, times=4)

    assert [held(replica) for replica in (first, second)] in ([{"prod"}, set()], [set(), {"prod"}])
    holder = "a" if held(first) else "b"
    assert first.holders() == second.holders() == {"prod": holder}


def test_100_accounts_on_3_replicas_differ_by_one_and_survivors_take_the_rest(
    replicas: Replicas, server: Server
) -> None:
    names = [f"account-{number}" for number in range(100)]
    three = [replicas.new(name, *names) for name in "abc"]
    replicas.beat(*three, times=4)
    shares = sorted(len(held(replica)) for replica in three)

    assert shares == [33, 33, 34]
    assert set.union(*map(held, three)) == set(names)

    server.terminate("a")
    replicas.beat(*three[1:], times=2)

    assert set.union(*map(held, three[1:])) == set(names)
    assert abs(len(held(three[1])) - len(held(three[2]))) <= 1


def test_no_replica_gives_an_account_up_for_one_that_joins(replicas: Replicas) -> None:
    first, second = replicas.new("a", "x", "y"), replicas.new("b", "x", "y")
    replicas.beat(first, times=2)
    replicas.beat(first, second, times=4)

    assert (held(first), held(second)) == ({"x", "y"}, set())


def test_accounts_given_back_by_a_reload_or_an_end_are_taken_at_the_next_heartbeat(replicas: Replicas) -> None:
    first, second = replicas.new("a", "x", "y"), replicas.new("b", "x", "y")
    replicas.beat(first, times=2)
    replicas.beat(second, times=2)
    first.want(["y"])
    replicas.beat(first, second)
    assert (held(first), held(second)) == ({"y"}, {"x"})

    first.close()
    replicas.beat(second)

    assert held(second) == {"x", "y"}


def test_a_lease_that_ends_drops_the_account_although_the_database_still_has_its_lock(replicas: Replicas) -> None:
    replica = replicas.new("a", "prod")
    replicas.beat(replica, times=2)
    holding = replica.of("prod")
    assert holding is not None
    assert holding.valid()

    replicas.clock.now += LEASE

    assert (holding.valid(), replica.of("prod")) == (False, None)
    with pytest.raises(StateError):
        holding.store.save("prod", Changes(now=1.0))


def test_after_a_fault_of_the_database_the_account_is_loaded_with_a_new_epoch(
    replicas: Replicas, server: Server, database: str
) -> None:
    replica = replicas.new("a", "prod")
    replicas.beat(replica, times=2)
    before = replica.of("prod")
    server.terminate("a")
    replicas.beat(replica)
    assert (replica.of("prod"), replicas.answers[-1]) == (None, False)

    replicas.beat(replica, times=2)
    after = replica.of("prod")

    assert after is not None
    assert after is not before
    assert replicas.answers[-1]
    assert server.execute(f"SELECT epoch FROM {schema.NAME}.accounts", database=database) == [(2,)]


def test_an_older_epoch_cannot_write_even_if_its_session_lives(
    replicas: Replicas, server: Server, database: str
) -> None:
    replica = replicas.new("a", "prod")
    replicas.beat(replica, times=2)
    holding = replica.of("prod")
    assert holding is not None
    server.execute(f"UPDATE {schema.NAME}.accounts SET epoch = epoch + 1", database=database)

    with pytest.raises(StateError, match="another replica has taken the account prod"):
        holding.store.save("prod", Changes(now=1.0))

    assert not holding.valid()


def test_a_confirmation_asks_the_database_and_finds_a_terminated_session(replicas: Replicas, server: Server) -> None:
    replica = replicas.new("a", "prod")
    replicas.beat(replica, times=2)
    holding, session = replica.of("prod"), replica._session
    assert holding is not None
    assert session is not None
    replica.start(lambda: None)
    try:
        server.terminate("a")
        replicas.clock.now += 1.0
        replica.confirm(60)

        assert not holding.valid()
    finally:
        replica.close()


def test_a_message_reaches_the_holder_and_leaves_with_what_it_led_to(replicas: Replicas) -> None:
    first, second = replicas.new("a", "prod"), replicas.new("b", "prod")
    replicas.beat(first, times=2)
    replicas.beat(second)
    second.post("prod", b"hello")
    holding = first.of("prod")
    assert holding is not None
    holding.store.load("prod", now=1.0)
    (message,) = holding.messages()
    assert message.text == b"hello"

    holding.store.save("prod", Changes(now=1.0, messages=[message.number]))

    assert list(holding.messages()) == []


def test_a_restarted_database_is_used_again(replicas: Replicas, server: Server) -> None:
    replica = replicas.new("a", "prod")
    replicas.beat(replica, times=2)
    server.stop()
    replicas.beat(replica)
    assert replica.of("prod") is None
    server.start()
    replicas.beat(replica, times=3)

    assert held(replica) == {"prod"}


STOPS = """
import os, signal, sys
import psycopg
from exporter.replicas.session import HELD, PRESENT
from exporter.replicas.store import lock_key
connection = psycopg.connect(sys.argv[1], autocommit=True, options="-c idle_session_timeout=1s -c statement_timeout=1s")
connection.execute("SELECT pg_advisory_lock_shared(%s, 0), pg_advisory_lock(%s, %s)", (PRESENT, HELD, lock_key("prod")))
with connection.pipeline():
    connection.execute("SELECT %s", (1,))
    connection.pgconn.send_flush_request()
    connection.pgconn.flush()
    print("sent", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.mark.slow
def test_a_holder_that_stops_within_a_statement_is_ended_by_the_others(server: Server, database: str) -> None:
    """PostgreSQL waits for the rest of a statement, and none of its timeouts ends that."""
    replica = Replica(
        lambda: Session(Key(server.url(database)), replica="b", lease=2.0),
        name="b",
        lease=2.0,
        answered=lambda _: None,
        saved=lambda _: None,
    )
    with subprocess.Popen([sys.executable, "-c", STOPS, server.url(database)], stdout=subprocess.PIPE) as stopped:
        assert stopped.stdout is not None
        assert stopped.stdout.readline() == b"sent\n"
        replica.want(["prod"])
        replica.start(lambda: None)
        try:
            wait_until(lambda: replica.of("prod") is not None)
        finally:
            replica.close()
            stopped.kill()
