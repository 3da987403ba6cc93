"""Listen addresses in the notation of Prometheus: `:10870`, `127.0.0.1:10870`, `[::1]:10870`."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterable
from contextlib import ExitStack

from exporter.errors import ListenError

_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%\w]+)\]|(?P<host>[^\[\]:\s]*)):(?P<port>\d{1,5})", re.ASCII)
_REMEDIES = {
    errno.EADDRINUSE: "stop the program that uses this port, or choose another port",
    errno.EACCES: "ports below 1024 need root privileges; choose a higher port",
}


def parse(address: str) -> tuple[str, int]:
    """Host and port of a listen address. An empty host means all addresses. Raises `ListenError` if it is malformed."""
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65535:
        raise ListenError(f"{address!r} is not a listen address; write :10870, 127.0.0.1:10870 or [::1]:10870")
    return match["v6"] or match["host"], int(match["port"])


def listen(address: str) -> socket.socket:
    """A socket that listens on `address`; on IPv4 and IPv6 if it has no host.

    Raises `ListenError` if the address is malformed, in use or not an address of this machine.
    """
    host, port = parse(address)
    try:
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, UnicodeError) as error:  # UnicodeError: the host is too long for DNS
        number = error.errno if isinstance(error, OSError) else None
        remedy = _REMEDIES.get(number or 0, "choose an address of this machine")
        raise ListenError(f"cannot listen on {address}: {_reason(error)}; {remedy}") from None


def listen_all(addresses: Iterable[str]) -> list[socket.socket]:
    """A socket for each address. If one raises `ListenError`, none stays open."""
    with ExitStack() as opened:
        listeners = [opened.enter_context(listen(address)) for address in dict.fromkeys(addresses)]
        opened.pop_all()
    return listeners


def _reason(error: OSError | UnicodeError) -> str:
    if not isinstance(error, OSError):
        return "not a valid host name"
    # `create_server` adds the address to the reason: "... (while attempting to bind on address ('127.0.0.1', 10870))".
    return (error.strerror or str(error)).partition(" (while ")[0]


def name(listener: socket.socket) -> str:
    """The address of a listening socket, such as `[::]:10870`, with the real port if port 0 was requested."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url(listener: socket.socket) -> str:
    """The URL at which programs on this machine reach the listening socket."""
    return "http://" + re.sub(r"^(\[::\]|0\.0\.0\.0):", "127.0.0.1:", name(listener))
