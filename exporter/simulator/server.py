"""The simulator: a VOD service over HTTP on loopback, with faults on request and its truth on an address of its own.

The service answers at `/`, as VOD does. Beside it: `/simulator/truth`, `/simulator/faults`, `/simulator/clock`.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import socket
import socketserver
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType

from exporter.errors import ListenError
from exporter.simulator.access import Access, Request
from exporter.simulator.answers import OPERATIONS, answer
from exporter.simulator.clock import Clock
from exporter.simulator.distort import Answer, distort, error_answer, json_answer
from exporter.simulator.faults import Fault, Faults
from exporter.simulator.handler import Handler
from exporter.simulator.quota import Quota
from exporter.simulator.refusal import Refusal
from exporter.simulator.scenario import Scenario, named
from exporter.simulator.shapes import Json
from exporter.simulator.templates import GROUPS
from exporter.simulator.truth import summary, truth
from exporter.simulator.wire import resets
from exporter.simulator.world import World

_PAGE = """A simulated ApsaraVideo VOD service.

POST /                    the API, signed with the access key {key}
                          ({operations})
GET  /simulator/truth     what is true of every task, as JSON; ?summary=1 for counts alone
GET  /simulator/clock     the world's clock; POST {{"frozen": true}} stops it, {{"frozen": false}} lets it go on
GET  /simulator/faults    the faults in force; POST {{"kind": "delay", "seconds": 2}} adds one, DELETE clears all

Template groups for SubmitTranscodeJobs:
{groups}
"""

# A service that is out says so, or says nothing at all.
_OUT = (
    Fault(
        kind="code",
        code="ServiceUnavailable",
        message="The request has failed due to a temporary failure of the server.",
    ),
    Fault(kind="close"),
)


class Simulator:
    """A VOD service on loopback. Use it in a `with`, or `start()` and `stop()` it; it serves from a daemon thread.

    `speed` is how many times as fast as real time its world runs; `tasks` bounds the planned tasks; `history` is for
    how many world seconds it has run when it starts (None: the scenario's); `quota` is calls a second per operation
    (`GetVideoList` gets 50/15 of it, `math.inf` is none); `delay` is how many seconds each API answer takes.

    Raises `ListenError` where it cannot listen, `ValueError` for an unknown scenario or figures without sense.
    """

    def __init__(
        self,
        *,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        seed: int = 1,
        scenario: str | Scenario = "steady",
        speed: float = 1.0,
        tasks: int | None = None,
        history: float | None = None,
        access_key_id: str = "simulator",
        access_key_secret: str = "simulator",  # noqa: S107  published: it opens nothing but the simulator
        quota: float = 15.0,
        delay: float = 0.0,
    ) -> None:
        scenario = named(scenario) if isinstance(scenario, str) else scenario
        if history is not None:
            scenario = dataclasses.replace(scenario, history=history)
        self.delay = delay
        self.clock = Clock(speed=speed)
        self.world = World(seed=seed, scenario=scenario, clock=self.clock, tasks=tasks)
        self.faults = Faults(seed=seed)
        self.quota = Quota(quota, taken=scenario.quota_taken)
        self._outage = scenario.outage
        self._began = time.monotonic()
        self._out = itertools.cycle(_OUT)
        self.access = Access(access_key_id=access_key_id, access_key_secret=access_key_secret)
        self.page = _PAGE.format(
            key=access_key_id,
            operations=", ".join(OPERATIONS),
            groups="\n".join(f"{group.id}  {group.name}" for group in GROUPS),
        )
        self._server = _Server(listen, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="simulator", daemon=True)

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        text = str(host)
        return f"http://[{text}]:{port}" if ":" in text else f"http://{text}:{port}"

    def start(self) -> None:
        self.world.advance()
        self._thread.start()

    def stop(self) -> None:
        """Closes every connection; safe to call twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.close_connections()

    def __enter__(self) -> Simulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def call(self, request: Request) -> tuple[Answer, Fault | None]:
        """The answer to a call of the API, and the fault by whose way it is sent."""
        request_id = str(uuid.uuid4()).upper()
        action = request.action
        fault = None
        parameters = request.parameters
        if action in OPERATIONS:
            self.quota.count(action)
            fault = self.faults.pick(action, parameters) or self._out_of_service()
            if fault is not None and fault.kind == "repeat-page":
                parameters = {**parameters, "PageNo": "1"}
        try:
            true = json_answer(200, {"RequestId": request_id, **self._admitted(request, parameters)})
        except Refusal as refusal:
            true = error_answer(refusal.status, code=refusal.code, message=refusal.message, request_id=request_id)
        return (true if fault is None else distort(fault, true, request_id=request_id)), fault

    def _out_of_service(self) -> Fault | None:
        """How a call fails while the service is out."""
        out = self._outage is not None and self._outage.on(time.monotonic() - self._began)
        return next(self._out) if out else None

    def _admitted(self, request: Request, parameters: Mapping[str, str]) -> Json:
        if request.action not in OPERATIONS:
            raise Refusal("InvalidAction.NotFound", "Specified api is not found, please check your url and method.")
        self.access.check(request)
        self.quota.spend(request.action)
        return answer(self.world, request.action, parameters)

    def tell_truth(self, *, counts_alone: bool) -> Answer:
        told = summary(self.world) if counts_alone else truth(self.world)
        counters = {
            "calls": dict(self.quota.calls),
            "throttled": dict(self.quota.throttled),
            "peak": dict(self.quota.peak),
        }
        return json_answer(200, told | counters)

    def tell_clock(self) -> Answer:
        now = self.clock.wall(self.clock.now())
        return json_answer(200, {"frozen": self.clock.frozen, "now": now, "speed": self.clock.speed})

    def set_clock(self, body: bytes) -> Answer:
        value = json.loads(body)
        if not isinstance(value, dict) or set(value) != {"frozen"} or not isinstance(value["frozen"], bool):
            raise ValueError('the clock is set by {"frozen": true} or {"frozen": false}')
        if value["frozen"]:
            self.clock.freeze()
        else:
            self.clock.resume()
        return self.tell_clock()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self, listen: tuple[str, int], simulator: Simulator) -> None:
        host, port = listen
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.simulator = simulator
        self._connections: set[socket.socket] = set()
        try:
            super().__init__(listen, Handler)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise ListenError(
                f"the simulator cannot listen on {host} port {port}: {reason}; choose another address or port 0"
            ) from error

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket) and resets(request):
            # The orderly goodbye of the base class would come before the reset.
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def close_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            self._connections.discard(request)
        super().close_request(request)

    def close_connections(self) -> None:
        for connection in list(self._connections):
            # Its thread wakes, finds the end of the connection and closes it.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        # For them to be gone when `stop` returns; a thread in a long answer is not waited for.
        until = time.monotonic() + 1
        while self._connections and time.monotonic() < until:
            time.sleep(0.005)

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that left is no fault, and the handler answers every other error."""
