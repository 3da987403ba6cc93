"""A service that answers like VOD at once, with little work, so that its own cost does not hide that of the exporter.

    python benchmarks/canned.py [SECONDS]

Every task has `JOBS_PER_TASK` jobs, and every job is in transcoding. It answers after SECONDS. It prints its URL, and
ends with its standard input. `GET /calls` answers the number of calls.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

JOBS_PER_TASK = 4
_JOB_IDS = re.compile(r"[?&]JobIds=([^ &]*)")
_TASK_ID = re.compile(r"[?&]TranscodeTaskId=([^ &]*)")
_CREATED = "2026-01-01T00:00:00Z"


class Answers(asyncio.Protocol):
    """One connection."""

    calls = 0
    seconds = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Requests have no body. `calls` is that of all connections."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            body = json.dumps(self._answer(head.decode())).encode()
            response = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            asyncio.get_running_loop().call_later(self.seconds, self._transport.write, response + body)

    def _answer(self, head: str) -> object:
        if head.startswith("GET /calls "):
            return Answers.calls
        Answers.calls += 1
        if match := _JOB_IDS.search(head):
            return {"TranscodeJobInfoList": [_job(id_) for id_ in unquote(match[1]).split(",")], "NonExistJobIds": []}
        if match := _TASK_ID.search(head):
            jobs = [_job(f"{match[1]}-{number}") for number in range(JOBS_PER_TASK)]
            task = {"TranscodeTaskId": match[1], "TaskStatus": "Processing", "CreationTime": _CREATED}
            return {"TranscodeTask": {**task, "TranscodeJobInfoList": jobs}}
        return {"Total": 0, "VideoList": {"Video": []}, "TranscodeTaskList": []}


def _job(id_: str) -> dict[str, object]:
    return {
        "TranscodeJobId": id_,
        "Definition": "HD",
        "TranscodeJobStatus": "Transcoding",
        "TranscodeProgress": 42,
        "CreationTime": _CREATED,
        "TranscodeTemplateId": "174b0534fea3d0b51c8f0ad1374b0534",
        "Priority": "6",
    }


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


@contextmanager
def running(seconds: float = 0.0) -> Iterator[str]:
    """The URL of the service in its own process."""
    command = [sys.executable, __file__, str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("")


if __name__ == "__main__":
    Answers.seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
    asyncio.run(serve())
