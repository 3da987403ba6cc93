"""Addresses to listen on, as Prometheus writes them: `:10870`, `127.0.0.1:10870`, `[::1]:10870`."""

from __future__ import annotations

import errno
import re
import socket

from exporter.errors import ListenError

_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%\w]+)\]|(?P<host>[^\[\]:\s]*)):(?P<port>\d{1,5})", re.ASCII)
_REMEDIES = {
    errno.EADDRINUSE: "stop what listens there, or choose another address",
    errno.EACCES: "ports below 1024 need a privilege; choose a higher one",
}


def parse(address: str) -> tuple[str, int]:
    """Host (empty: all addresses) and port; raises `ListenError` for anything else."""
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65535:
        raise ListenError(f"{address!r} is no address to listen on; write :10870, 127.0.0.1:10870 or [::1]:10870")
    return match["v6"] or match["host"], int(match["port"])


def listen(address: str) -> socket.socket:
    """A listening socket, for IPv4 and IPv6 where no host is named; raises `ListenError` where it cannot be had."""
    host, port = parse(address)
    try:
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, UnicodeError) as error:  # the latter for a name that no DNS can hold
        number, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (None, "no such name")
        remedy = _REMEDIES.get(number or 0, "choose an address of this machine")
        raise ListenError(f"cannot listen on {address}: {reason or error}; {remedy}") from None


def name(listener: socket.socket) -> str:
    """The address it listens on, with the port it was given, such as `[::]:10870`."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url(listener: socket.socket) -> str:
    """Where this machine reaches it, for people and for requests of our own."""
    return "http://" + re.sub(r"^(\[::\]|0\.0\.0\.0):", "127.0.0.1:", name(listener))
