"""Quirks of the documented samples: which tasks and jobs have them. The same id always has the same quirks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

SHARES: Mapping[str, float] = MappingProxyType(
    {
        "numbers as strings": 0.2,  # TranscodeProgress and Filesize
        "error code 200": 0.15,  # on jobs that have not failed
        "complete time while processing": 0.1,
        "finish time": 0.5,  # in place of CompleteTime, on failed jobs
        "zeroed output": 0.5,  # on failed jobs
        "trigger with space": 0.15,
        "trigger absent": 0.05,
        "status misspelt": 0.1,  # of CompleteAllSucc
        "streams escaped": 0.1,
        "streams prefixed": 0.05,
        "watermarks as text": 0.15,
        "watermarks as text in a list": 0.15,
        "empty encryption absent": 0.3,
        "empty watermarks absent": 0.3,
    }
)


def has(quirk: str, of: str) -> bool:
    """Whether the task or job with this id has the quirk."""
    draw = hashlib.blake2b(f"{quirk}/{of}".encode(), digest_size=8).digest()
    return int.from_bytes(draw) < SHARES[quirk] * 2**64
