"""The exporter's server in a thread, clients on raw sockets, and accounts without VOD behind them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import pytest
import requests
from starlette.types import ASGIApp

from exporter.deadline import Deadline, Reserve
from exporter.errors import StateError
from exporter.keys import Key
from exporter.metrics.telemetry import Telemetry
from exporter.model import Job, Task
from exporter.scrape.scraper import Scraper
from exporter.snapshot import AccountSnapshot, LedgerView, ShownJob, ShownTask, Snapshot
from exporter.tracking.ledger import Ledger
from exporter.tracking.store import Changes, MemoryStore
from exporter.vod.client import Client
from exporter.web.app import Interface
from exporter.web.callback import Callback
from exporter.web.connections import BoundedProtocol
from exporter.web.crowd import Crowd
from exporter.web.guard import Guard
from exporter.web.listener import listen, url
from exporter.web.server import Server
from exporter.websecurity.current import WebConfig
from tests.certificates import client_context
from tests.conftest import make_account, wait_until

TOKEN = "s3cret-token"
KEY = Key(TOKEN)
BEARER = {"Authorization": f"Bearer {TOKEN}"}
TASKS = "/api/v1/tasks"


def read_to_end(client: socket.socket) -> bytes:
    """All that the server sends until it closes the connection. Often the head comes alone, before the body."""
    return b"".join(iter(lambda: client.recv(65536), b""))


class _Alert(Server):
    """A server that sees at once that it shall stop. uvicorn looks every tenth of a second."""

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # noqa: ASYNC110 - another thread stops it
            await asyncio.sleep(0.01)


class Served:
    """A server for an app, on a free port of 127.0.0.1, and the raw clients that a test connects to it."""

    def __init__(self, app: ASGIApp, crowd: Crowd | None = None, web: WebConfig | None = None) -> None:
        self._listener = listen("127.0.0.1:0")
        self.url = url(self._listener)
        self._port = self._listener.getsockname()[1]
        self.crowd = crowd or Crowd()
        self.server = _Alert(app, [self._listener], timeout=5.0, crowd=self.crowd, web=web)
        self._thread = threading.Thread(target=self.server.serve_until_stopped, daemon=True)
        self._clients: list[socket.socket] = []
        self._thread.start()

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    def connect(self, *, receive_buffer: int | None = None) -> socket.socket:
        client = socket.socket()
        self._clients.append(client)
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(10)
        client.connect(("127.0.0.1", self._port))
        return client

    def send(self, text: str, **options: int) -> socket.socket:
        client = self.connect(**options)
        client.sendall(text.encode("latin-1"))
        return client

    def connect_tls(
        self, folder: Path, certificate: str | None = None, *, receive_buffer: int | None = None
    ) -> ssl.SSLSocket:
        """A client of TLS that trusts the CA in `folder`, with this certificate of its own."""
        context, connected = client_context(folder, certificate), self.connect(receive_buffer=receive_buffer)
        client = context.wrap_socket(connected, server_hostname="localhost")
        self._clients.append(client)
        return client

    def send_tls(self, folder: Path, text: str, *, receive_buffer: int | None = None) -> ssl.SSLSocket:
        client = self.connect_tls(folder, receive_buffer=receive_buffer)
        client.sendall(text.encode("latin-1"))
        return client

    def talk(self, text: str) -> str:
        """Everything that the server sends until it closes the connection."""
        client, answer = self.send(text), b""
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(65536):
                answer += part
        return answer.decode("latin-1")

    def check(self) -> None:
        """Let the server check each of its connections now, after it has read what clients have sent."""
        done = threading.Event()
        checked = [cast(BoundedProtocol, one) for one in list(self.server.server_state.connections)]

        def run() -> None:
            for connection in checked:
                if not connection.transport.is_closing():
                    connection._check.cancel()
                    connection._check_progress()
            done.set()

        if checked:
            loop = checked[0].loop
            loop.call_soon_threadsafe(loop.call_soon, run)  # in the next turn of the loop: this one reads the sockets
            assert done.wait(20)

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def listens(self) -> bool:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self._port), 10):
            return True
        return False

    def begin_stop(self) -> None:
        """Stops the server, and waits until it has begun to stop: it accepts no connection."""
        self.server.stop()
        wait_until(lambda: not self.listens())

    def stop(self) -> None:
        """Stops the server, and waits for its end."""
        self.server.stop()
        self._thread.join(30)
        assert not self.is_running

    def close(self) -> None:
        self.stop()
        for client in self._clients:
            client.close()


Serve = Callable[..., Served]


class ServeInterface(Protocol):
    def __call__(self, scraper: Scraper, telemetry: Telemetry | None = None, **options: Any) -> Served:
        """Serves an `Interface` with these options. `reload` and `between_scrapes` are its app's, `web` its file."""


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves apps until the test ends."""
    with contextlib.ExitStack() as stack:

        def start(app: ASGIApp, crowd: Crowd | None = None, web: WebConfig | None = None) -> Served:
            served = Served(app, crowd, web)
            stack.callback(served.close)
            return served

        yield start


@pytest.fixture
def serve_interface(serve: Serve) -> ServeInterface:
    """Serves the exporter's interface over a scraper."""

    def start(scraper: Scraper, telemetry: Telemetry | None = None, **options: Any) -> Served:
        reload, web, between = (options.pop(name, None) for name in ("reload", "web", "between_scrapes"))
        interface = Interface(scraper, telemetry or Telemetry(), timeout=10.0, offset=0.5, **options)
        guard = Guard(web) if web is not None else None
        return serve(interface.app(reload=reload, guard=guard, between_scrapes=between), interface.crowd, web)

    return start


class FakeScraper(Scraper):
    """Shows the accounts of `shown`, sends no requests, and notes which account each scrape asked for and its time.

    Each scrape calls `during`. `snapshots` counts those without a scrape.
    """

    def __init__(self, accounts: Iterable[AccountSnapshot] = (), during: Callable[[], None] = lambda: None) -> None:
        super().__init__([], min_interval=0)
        self.shown = {account.name: account for account in accounts}
        self.asked: list[str | None] = []
        self.times: list[float] = []
        self.snapshots = 0
        self._during = during

    @property
    def accounts(self) -> dict[str, Any]:
        return dict.fromkeys(self.shown, object())  # the interface reads the names only

    def scrape(self, deadline: Deadline, *, account: str | None = None, rendering: Reserve | None = None) -> Snapshot:
        self.asked.append(account)
        accounts = tuple(self.shown.values()) if account is None else (self.shown[account],)
        jobs = sum(len(shown.view.jobs) for shown in accounts)
        reserve, now = rendering or Reserve(0.0), Deadline.after(0).at
        self.times.append(reserve.before(deadline, jobs, since=now).remaining())
        self._during()
        return Snapshot(accounts)

    def snapshot(self) -> Snapshot:
        self.snapshots += 1
        return Snapshot(tuple(self.shown.values()))


def up(*names: str) -> list[AccountSnapshot]:
    """Accounts that can be read and have no tasks."""
    return [AccountSnapshot(name, "cn-shanghai", "https://vod.example", up=True) for name in names]


def account_snapshot(tasks: Sequence[Task] = (), jobs: Sequence[Job] = (), **described: Any) -> AccountSnapshot:
    """A snapshot of an account. `jobs` belong to task `t` of video `v`; `view` has more fields of the ledger's view."""
    view = {
        "tasks": tuple(ShownTask(task, 0.42) for task in tasks),
        "jobs": tuple(ShownJob(job, "t", "v") for job in jobs),
        **described.pop("view", {}),
    }
    given = {"name": "prod", "region": "cn-shanghai", "endpoint": "https://vod.example", "up": True, **described}
    return AccountSnapshot(view=LedgerView(**view), **given)


class Gate:
    """Holds scrapes until it is opened; `until(n)` waits until n scrapes more are held."""

    def __init__(self) -> None:
        self._held = threading.Semaphore(0)
        self._opened = threading.Event()

    def hold(self) -> None:
        self._held.release()
        assert self._opened.wait(30)

    def until(self, count: int) -> None:
        for _ in range(count):
            assert self._held.acquire(timeout=20)

    def open(self) -> None:
        self._opened.set()


class FailingStore(MemoryStore):
    """A store that refuses changes while `broken`, and takes them only while `gate` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()

    def save(self, account: str, changes: Changes) -> None:
        assert self.gate.wait(20)
        if self.broken:
            raise StateError("the disk is full")
        super().save(account, changes)


def no_client(*_: object) -> Client:
    """For accounts whose tests send no requests to VOD."""
    return cast("Client", None)


class ApiExporter:
    """An exporter with accounts of these names, a store that can fail, and a client for its API."""

    def __init__(
        self,
        serve: Serve,
        names: Sequence[str],
        *,
        token: Key | None = KEY,
        callbacks: Mapping[str, Callback] | None = None,
    ) -> None:
        self.store = FailingStore()
        self.telemetry = Telemetry()
        self.ledgers = {name: Ledger(name, store=self.store) for name in names}
        accounts = [
            make_account(no_client, ledger, self.telemetry.account(name), name=name)
            for name, ledger in self.ledgers.items()
        ]
        self._callbacks = callbacks
        self._interface = Interface(Scraper(accounts, min_interval=0), self.telemetry, timeout=10.0, offset=0.5)
        self.use_token(token)
        self.served = serve(self._interface.app())
        self.url = self.served.url

    def use_token(self, token: Key | None) -> None:
        """Change the token of the API, as a reload does."""
        self._interface.configure(timeout=10.0, offset=0.5, api_token=token, callbacks=self._callbacks)

    def ask(self, method: str, path: str = TASKS, **options: Any) -> requests.Response:
        options.setdefault("headers", BEARER)
        return requests.request(method, self.url + path, timeout=20, **options)

    def post(self, body: object, **options: Any) -> requests.Response:
        return self.ask("POST", json=body, **options)

    def send(self, body: bytes, content_type: str | None = "application/json", **headers: str) -> requests.Response:
        given = {"Content-Type": content_type} if content_type is not None else {}
        return self.ask("POST", data=body, headers={**BEARER, **given, **headers})

    def tracked(self, name: str = "prod") -> list[str]:
        return [task_id for task_id, _, _ in self.ledgers[name].tasks()]

    def stored(self, name: str = "prod") -> list[str]:
        """The ids of the tasks in the store, which a restart would find."""
        return [record.id for record in self.store.load(name, now=time.time()).tasks]

    def rejected(self, path: str, reason: int) -> float | None:
        labels = {"path": path, "reason": str(reason)}
        return self.telemetry.registry.get_sample_value("vod_exporter_rejected_requests_total", labels)


ApiExporters = Callable[..., ApiExporter]


@pytest.fixture
def api_exporters(serve: Serve) -> ApiExporters:
    """Starts exporters with accounts of the given names."""
    return lambda *names, **options: ApiExporter(serve, names, **options)


@pytest.fixture
def api_exporter(api_exporters: ApiExporters) -> ApiExporter:
    """An exporter with one account, `prod`."""
    return api_exporters("prod")


def error(answer: requests.Response) -> str:
    """The sentence of a refusal in JSON."""
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json()) == ["error"]
    return str(answer.json()["error"])
