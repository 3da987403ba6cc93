"""Sockets that systemd has opened: https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import MutableMapping

from exporter.errors import ListenError

FIRST_DESCRIPTOR = 3


def inherited(environ: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """The sockets of the `.socket` unit. Takes their variables out of `environ`, as they are not for child processes.

    Raises `ListenError` if systemd has passed none, or a socket that does not listen for TCP.
    """
    process, count, _ = (environ.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES"))
    # The process id differs if a wrapper, such as a shell script, has started the exporter as a child.
    if process != str(os.getpid()) or not re.fullmatch(r"[1-9]\d{0,2}", count, re.ASCII):
        raise ListenError(
            "systemd has passed no socket; start the exporter by a .socket unit, or leave --web.systemd-socket out"
        )
    return [_listener(FIRST_DESCRIPTOR + number) for number in range(int(count))]


def _listener(descriptor: int) -> socket.socket:
    remedy = "write ListenStream= with a port or an IP address and a port, and Accept=no, in the .socket unit"
    try:
        listener = socket.socket(fileno=descriptor)
        listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise ListenError(
            f"descriptor {descriptor} of systemd is not a socket: {error.strerror or error}; {remedy}"
        ) from None
    if not listening or listener.family not in (socket.AF_INET, socket.AF_INET6):
        listener.close()
        raise ListenError(f"descriptor {descriptor} of systemd does not listen for TCP; {remedy}")
    listener.set_inheritable(False)
    return listener
