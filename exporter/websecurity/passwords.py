"""Passwords of users by HTTP's basic authentication (RFC 7617), checked against bcrypt hashes."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping

import bcrypt
from anyio import CapacityLimiter, to_thread

from exporter.keys import SecretText

MAX_WAITING = 16  # checks that wait for the one in progress
MAX_BYTES = 72  # of a password; bcrypt ignores all further bytes
MAX_HEADER = 1024


class BusyError(Exception):
    """Too many checks wait already."""


class Passwords:
    """Checks passwords, one at a time, because each takes a processor for a tenth of a second.

    The last right password of each user is remembered, as an HMAC with a key of this process. Wrong ones are checked
    each time. An unknown name costs what a wrong password of some user costs, so that it cannot be told apart.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}
        self._thread = CapacityLimiter(1)
        self._checks = 0

    async def accept(self, users: Mapping[str, SecretText], authorization: str) -> bool:
        """Whether the header names a user and the password. Raises `BusyError` if too many checks wait already."""
        given = credentials(authorization)
        if given is None:
            return False
        name, password = given
        known = users.get(name)
        stored = (known or self._other(users, name)).get_secret_value().encode()
        proof = self._hmac(stored, password)
        if known is not None and hmac.compare_digest(proof, self._right.get(name, b"")):
            return True
        right = await self._check(password, stored) and known is not None
        if right:
            self._right[name] = proof
        return right

    async def _check(self, password: bytes, stored: bytes) -> bool:
        if self._checks > MAX_WAITING:
            raise BusyError
        self._checks += 1
        try:
            return await to_thread.run_sync(bcrypt.checkpw, password, stored, limiter=self._thread)
        finally:
            self._checks -= 1

    def _other(self, users: Mapping[str, SecretText], name: str) -> SecretText:
        """The hash of some user, always the same for the same name.

        Hashes differ in cost. Another cost at each attempt would show that the name is unknown.
        """
        place = int.from_bytes(self._hmac(b"", name.encode())[:8], "big") % len(users)
        return list(users.values())[place]

    def _hmac(self, stored: bytes, text: bytes) -> bytes:
        return hmac.digest(self._key, stored + b"\0" + text, "sha256")


def credentials(authorization: str) -> tuple[str, bytes] | None:
    """The name and the password of a header `Basic ...`; None if it is malformed, or no password for bcrypt."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(authorization) > MAX_HEADER:
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    name, colon, password = text.partition(":")
    if not colon or "\0" in text or len(password.encode()) > MAX_BYTES:
        return None
    return name, password.encode()
