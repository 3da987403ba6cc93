"""What bad clients cost: memory of the server, and time of a good request, with plain HTTP and with TLS.

    python benchmarks/tls_clients.py [SECONDS]

Each server runs in its own process: without TLS, with TLS of the exporter, and with TLS as uvicorn alone has it. Each
kind of client stays for SECONDS (default: 15). A good client asks for a small page each 200 ms, over a new connection.
A response to `/big` has 6 MB, made anew for each request, as an exposition of many jobs is.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import trustme
from starlette.types import Receive, Scope, Send

from exporter.web.listener import listen
from exporter.web.server import Server
from exporter.websecurity.current import WebConfig

SERVERS = ("plain HTTP", "TLS", "TLS of uvicorn")
MANY, FEW = 1500, 40
BIG_BYTES = 6_000_000
GET = b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

Client = Callable[[int, ssl.SSLContext | None], socket.socket]


def silent(port: int, tls: ssl.SSLContext | None) -> socket.socket:  # noqa: ARG001 - as the other kinds
    return socket.create_connection(("127.0.0.1", port), 10)


def a_byte(port: int, tls: ssl.SSLContext | None) -> socket.socket:
    """The first byte of a handshake, or of a request."""
    client = silent(port, tls)
    client.sendall(b"\x16" if tls else b"G")
    return client


def without_tls(port: int, tls: ssl.SSLContext | None) -> socket.socket:
    client = silent(port, tls)
    client.sendall(GET.replace(b"close", b"keep-alive") % b"")
    return client


def old_tls(port: int, tls: ssl.SSLContext | None) -> socket.socket:
    client = silent(port, tls)
    warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of these versions
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_1
    with contextlib.suppress(OSError):
        context.wrap_socket(client, server_hostname="localhost")
    return client


def unreading(port: int, tls: ssl.SSLContext | None) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(10)
    client.connect(("127.0.0.1", port))
    if tls is not None:
        client = tls.wrap_socket(client, server_hostname="localhost")
    client.sendall(GET % b"big")
    return client


KINDS: Sequence[tuple[str, int, Client]] = (
    ("none", 0, silent),
    ("silent", MANY, silent),
    ("one byte", MANY, a_byte),
    ("without TLS", MANY, without_tls),
    ("old TLS", MANY, old_tls),
    ("not reading", FEW, unreading),
)


def main(seconds: float) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ca = trustme.CA()
        pair = ca.issue_cert("localhost")
        pair.cert_chain_pems[0].write_to_path(folder / "server.crt")
        pair.private_key_pem.write_to_path(folder / "server.key")
        (folder / "web.yml").write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
        context = ssl.create_default_context()
        ca.configure_trust(context)
        heads = ("server", "clients", "most MB", "MB after", "open", "good ms", "slowest ms", "failed")
        print("".join(f"{head:>17}" for head in heads))
        for server in SERVERS:
            for kind, count, client in KINDS:
                figures = measure(folder, server, count, client, context if server != SERVERS[0] else None, seconds)
                print("".join(f"{text:>17}" for text in (server, f"{kind} {count}", *figures)), flush=True)


def measure(
    folder: Path, server: str, count: int, client: Client, tls: ssl.SSLContext | None, seconds: float
) -> list[str]:
    """What the server costs and how it answers while `count` clients are there."""
    with served(folder, server) as (process, port):
        good(port, tls)
        clients: list[socket.socket] = []
        connecting = threading.Thread(target=connect, args=(clients, count, client, port, tls), daemon=True)
        connecting.start()
        memory, times, failed, until = [megabytes(process)], [], 0, time.monotonic() + seconds
        while time.monotonic() < until:
            started = time.monotonic()
            try:
                good(port, tls)
                times.append(1000 * (time.monotonic() - started))
            except OSError:
                failed += 1
            memory.append(megabytes(process))
            time.sleep(0.2)
        connecting.join(60)
        still_open = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        for one in clients:
            one.close()
        figures = [max(memory), memory[-1], still_open, median(times or [0]), max(times or [0])]
        return [*(f"{figure:.0f}" for figure in figures), str(failed)]


def connect(clients: list[socket.socket], count: int, client: Client, port: int, tls: ssl.SSLContext | None) -> None:
    for _ in range(count):
        with contextlib.suppress(OSError):
            clients.append(client(port, tls))


def good(port: int, tls: ssl.SSLContext | None) -> None:
    client = socket.create_connection(("127.0.0.1", port), 10)
    with tls.wrap_socket(client, server_hostname="localhost") if tls else client as client:
        client.sendall(GET % b"")
        if not client.recv(100).startswith(b"HTTP/1.1 200"):
            raise OSError("no answer")


def megabytes(process: subprocess.Popen[str]) -> float:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


@contextlib.contextmanager
def served(folder: Path, server: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, __file__, "--serve", server, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
        process.kill()


async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - as ASGI has it
    body = b"x" * (BIG_BYTES if scope["path"] == "/big" else 5)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(server: str, folder: Path) -> None:
    listener = listen("127.0.0.1:0")
    web = WebConfig(folder / "web.yml") if server == "TLS" else None
    made = Server(app, [listener], timeout=5.0, web=web)
    if server == "TLS of uvicorn":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        made.config.ssl_certfile = folder / "server.crt"
        made.config.ssl_context_factory = lambda *_: context
    print(listener.getsockname()[1], flush=True)
    made.serve_until_stopped()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve", server, folder]:
            serve(server, Path(folder))
        case seconds:
            main(float(seconds[0]) if seconds else 15.0)
