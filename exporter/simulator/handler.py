"""HTTP/1.1 for the simulator: reads a request, finds who answers it, sends the answer."""

from __future__ import annotations

import json
import socket
import time
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl

from exporter.simulator.access import Request
from exporter.simulator.distort import Answer, json_answer
from exporter.simulator.faults import Fault
from exporter.simulator.wire import send

if TYPE_CHECKING:
    from exporter.simulator.server import Simulator, _Server

MAX_BODY = 2**20


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def _simulator(self) -> Simulator:
        return cast("_Server", self.server).simulator

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Nothing: the truth counts the calls."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            return
        path, _, query = self.path.partition("?")
        fault: Fault | None = None
        try:
            if path == "/" and ("x-acs-action" in self.headers or "Authorization" in self.headers):
                answer, fault = self._simulator.call(self._request(path, query, body))
                if self._simulator.delay and not self._wait(self._simulator.delay):
                    self.close_connection = True
                    return
            else:
                answer = self._page(path, query, body)
        except Exception:  # noqa: BLE001  a bug of the simulator's must show on both ends, and end no more than this call
            traceback.print_exc()
            answer = Answer(500, b"the simulator has a bug; its standard error shows it\n", "text/plain")
        self._send(answer, fault)

    def _body(self) -> bytes | None:
        """The request's body; None where it was refused."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            self._send(Answer(411, b"a body needs its Content-Length\n", "text/plain"))
            return None
        if int(length[:12]) > MAX_BODY:
            self.close_connection = True
            self._send(Answer(413, b"the body is too large\n", "text/plain"))
            return None
        return self.rfile.read(int(length))

    def _request(self, path: str, query: str, body: bytes) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        return Request(self.command, path, parameters, headers, body)

    def _page(self, path: str, query: str, body: bytes) -> Answer:
        simulator = self._simulator
        pages: dict[str, dict[str, Callable[[], Answer]]] = {
            "/": {"GET": lambda: Answer(200, simulator.page.encode(), "text/plain;charset=utf-8")},
            "/simulator/truth": {
                "GET": lambda: simulator.tell_truth(counts_alone=dict(parse_qsl(query)).get("summary") == "1")
            },
            "/simulator/clock": {"GET": simulator.tell_clock, "POST": lambda: simulator.set_clock(body)},
            "/simulator/faults": {
                "GET": lambda: json_answer(200, simulator.faults.told()),
                "POST": lambda: self._add_fault(body),
                "DELETE": self._clear_faults,
            },
        }
        if path not in pages:
            return Answer(404, b"nothing here; GET / lists the addresses\n", "text/plain")
        methods = pages[path]
        if self.command not in methods:
            return Answer(405, b"", "text/plain", (("Allow", ", ".join(methods)),))
        try:
            return methods[self.command]()
        except ValueError as error:
            return Answer(400, f"{error}\n".encode(), "text/plain;charset=utf-8")

    def _add_fault(self, body: bytes) -> Answer:
        self._simulator.faults.add(Fault.parse(json.loads(body)))
        return json_answer(200, self._simulator.faults.told())

    def _clear_faults(self) -> Answer:
        self._simulator.faults.clear()
        return json_answer(200, [])

    def _send(self, answer: Answer, fault: Fault | None = None) -> None:
        try:
            if not send(self.connection, answer, close=self.close_connection, fault=fault, wait=self._wait):
                self.close_connection = True
        except OSError:
            self.close_connection = True

    def _wait(self, seconds: float) -> bool:
        """False as soon as the client is seen to have left, or the simulator has closed the connection to stop."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
            if self._gone():
                return False
        return True

    def _gone(self) -> bool:
        try:
            return not len(self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return False
        except OSError:
            return True
