"""HTTP/1.1 for the simulator: reads a request, passes it to the service, sends the answer."""

from __future__ import annotations

import socket
import socketserver
import time
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl

from exporter.simulator.access import Request
from exporter.simulator.distort import Answer
from exporter.simulator.faults import Fault
from exporter.simulator.service import Service
from exporter.simulator.wire import send

MAX_BODY = 2**20  # bytes
_CHECK_SECONDS = 0.2  # how often a delayed answer checks whether the client is still connected


class Handler(BaseHTTPRequestHandler):
    """Handles one connection. `service` answers its requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a fault that drips sends single bytes, each in a packet of its own

    def __init__(
        self,
        service: Service,
        request: socket.socket | tuple[bytes, socket.socket],
        client_address: object,
        server: socketserver.BaseServer,
    ) -> None:
        self._service = service  # first: the base class handles the whole connection in its constructor
        super().__init__(request, client_address, server)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Log nothing; `/simulator/truth` has the counts of calls."""

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
            request = self._request(path, query, body)
            if path == "/" and (request.action or "authorization" in request.headers):
                answer, fault = self._service.call(request)
                if self._service.delay and not self._wait(self._service.delay):
                    self.close_connection = True
                    return
            else:
                answer = self._page(path, query, body)
        except Exception:  # noqa: BLE001  a bug ends only this call; client and operator both see it
            traceback.print_exc()
            answer = Answer(500, b"bug in the simulator; its standard error has the traceback\n", "text/plain")
        self._send(answer, fault)

    def _body(self) -> bytes | None:
        """The body of the request; None if it was refused. The refusal is then already sent."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            self._send(Answer(411, b"send the body with a Content-Length\n", "text/plain"))
            return None
        if int(length[:12]) > MAX_BODY:  # Python refuses to convert thousands of digits
            self.close_connection = True
            self._send(Answer(413, b"the body is too large; the limit is 1 MiB\n", "text/plain"))
            return None
        return self.rfile.read(int(length))

    def _request(self, path: str, query: str, body: bytes) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        if form and "authorization" not in headers:  # the older signature covers a form as it does the query
            parameters |= parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True)
        return Request(self.command, path, parameters, headers, body)

    def _page(self, path: str, query: str, body: bytes) -> Answer:
        service = self._service
        pages: dict[str, dict[str, Callable[[], Answer]]] = {
            "/": {"GET": lambda: Answer(200, service.page.encode(), "text/plain;charset=utf-8")},
            "/simulator/truth": {
                "GET": lambda: service.truth(only_counts=dict(parse_qsl(query)).get("summary") == "1")
            },
            "/simulator/clock": {"GET": service.show_clock, "POST": lambda: service.set_clock(body)},
            "/simulator/faults": {
                "GET": service.show_faults,
                "POST": lambda: service.add_fault(body),
                "DELETE": service.clear_faults,
            },
        }
        if path not in pages:
            return Answer(404, b"no such path; GET / lists them\n", "text/plain")
        methods = pages[path]
        if self.command not in methods:
            return Answer(405, b"", "text/plain", (("Allow", ", ".join(methods)),))
        try:
            return methods[self.command]()
        except ValueError as error:
            return Answer(400, f"{error}\n".encode(), "text/plain;charset=utf-8")

    def _send(self, answer: Answer, fault: Fault | None = None) -> None:
        try:
            if not send(self.connection, answer, close=self.close_connection, fault=fault, wait=self._wait):
                self.close_connection = True
        except OSError:
            self.close_connection = True

    def _wait(self, seconds: float) -> bool:
        """Wait. Returns False as soon as the connection has ended: closed by the client, or by `Simulator.stop`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _CHECK_SECONDS))
            if self._disconnected():
                return False
        return True

    def _disconnected(self) -> bool:
        try:
            return not len(self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return False
        except OSError:
            return True
