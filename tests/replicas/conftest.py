"""A PostgreSQL of the tests, on a port and in a folder of its own, and a network between it and a replica."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from exporter.keys import Key
from exporter.replicas.replica import Replica
from exporter.replicas.session import Session
from tests.conftest import wait_until

USER = "postgres"


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return found[-1].parent if found else None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def as_user() -> list[str]:
    """What starts a program as another user if the tests run as root."""
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.getuid() == 0 else []


class Server:
    """A PostgreSQL server. It runs as another user if the tests run as root, because it refuses root."""

    def __init__(self, folder: Path) -> None:
        programs = _programs()
        if programs is None:
            pytest.skip("PostgreSQL is not installed")
        self._programs, self.folder, self.port = programs, folder, free_port()
        folder.mkdir(mode=0o755)
        if os.getuid() == 0:
            shutil.chown(folder, USER)
        self.run("initdb", "--auth=trust", f"--username={USER}", "--no-sync", str(folder / "data"))
        access = folder / "data" / "pg_hba.conf"
        access.write_text(f"host all secret 127.0.0.1/32 scram-sha-256\n{access.read_text()}")
        self.start()

    def run(self, program: str, *arguments: str) -> None:
        command = [*as_user(), str(self._programs / program), *arguments]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=50"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-w", "-t", "90", "-D", str(self.folder / "data"), "-l", log, "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self.run("pg_ctl", "-w", "-t", "90", "-D", str(self.folder / "data"), "-m", mode, "stop")

    def url(self, database: str, *, port: int | None = None) -> str:
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/{database}"

    def execute(self, sql: str, *parameters: object, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), parameters or None)
            return cursor.fetchall() if cursor.description is not None else []

    def terminate(self, replica: str) -> None:
        """End the session of a replica, and wait until it has ended."""
        ended = self.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = %s",
            f"vod-transcode-exporter {replica}",
        )
        assert ended == [(True,)]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # Not below the folder of pytest, which other users may not enter.
    with contextlib.ExitStack() as stack:
        folder = Path("/tmp") / f"vod-postgres-{os.getpid()}"
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        running = Server(folder)
        stack.callback(running.stop, "immediate")
        yield running


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a new database."""
    name = f"test_{time.monotonic_ns()}"
    server.execute(f"CREATE DATABASE {name}")
    yield name
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Network:
    """A network between replicas and the server. Cut, it carries no bytes, and tells nobody."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._server = port
        self._open = threading.Event()
        self._open.set()
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._ended = True
        self._open.set()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    upstream = socket.create_connection(("127.0.0.1", self._server))
                except OSError:  # the server is being restarted
                    client.close()
                    continue
                for source, target in ((client, upstream), (upstream, client)):
                    threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                target.sendall(data)
        self._open.wait()
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def network(server: Server) -> Iterator[Network]:
    between = Network(server.port)
    yield between
    between.close()


class Time:
    """A clock of replicas that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


Bouncer = Callable[[str], int]


@pytest.fixture
def bouncer(server: Server, tmp_path: Path) -> Iterator[Bouncer]:
    """Starts pgbouncer with this pool mode in front of the server, and returns its port."""
    with contextlib.ExitStack() as stack:

        def started(mode: str) -> int:
            program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
            if program is None:
                pytest.skip("pgbouncer is not installed")
            port, config = free_port(), server.folder / f"{mode}.ini"
            config.write_text(
                f"[databases]\n* = host=127.0.0.1 port={server.port} user={USER}\n[pgbouncer]\nauth_type = any\n"
                f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\npool_mode = {mode}\n"
            )
            config.chmod(0o644)
            process = subprocess.Popen([*as_user(), program, "-q", str(config)], cwd="/", stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
            wait_until(lambda: _listens(port))
            return port

        yield started


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


Connect = Callable[..., Session]


@pytest.fixture
def connect(server: Server, database: str) -> Iterator[Connect]:
    """Opens sessions of replicas, and closes them after the test."""
    with contextlib.ExitStack() as stack:

        def opened(replica: str = "a", *, lease: float = 30.0, **options: Any) -> Session:
            port = options.pop("port", None)
            session = Session(Key(server.url(database, port=port)), replica=replica, lease=lease, **options)
            stack.callback(session.close)
            return session

        yield opened


LEASE = 240.0  # seconds of the clock of a test; the server waits as long, which is longer than a test
HEARTBEAT = LEASE / 8


class Replicas:
    """Replicas of one database, whose heartbeats and clock a test makes."""

    def __init__(self, connect: Connect) -> None:
        self.clock = Time()
        self.answers: list[bool] = []
        self._connect = connect

    def new(self, name: str, *accounts: str, **options: Any) -> Replica:
        replica = Replica(
            lambda: self._connect(name, lease=LEASE, clock=self.clock, **options),
            name=name,
            lease=LEASE,
            answered=self.answers.append,
            saved=lambda _: None,
            clock=self.clock,
        )
        replica.want(accounts)
        return replica

    def beat(self, *replicas: Replica, times: int = 1) -> None:
        for _ in range(times):
            for replica in replicas:
                replica.beat()
            self.clock.now += HEARTBEAT


@pytest.fixture
def replicas(connect: Connect) -> Replicas:
    return Replicas(connect)


def held(replica: Replica) -> set[str]:
    """The accounts that the replica holds."""
    return {name for name in replica.holders() if replica.of(name) is not None}
