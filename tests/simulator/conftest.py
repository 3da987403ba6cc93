"""Worlds whose clock the test moves by hand, a running simulator, and signed calls to it."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from exporter.simulator.clock import Clock
from exporter.simulator.scenario import SCENARIOS, Scenario
from exporter.simulator.server import Simulator
from exporter.simulator.world import World
from exporter.vod.signing import authorization, canonical_query

_nonces = itertools.count()


class HandClock(Clock):
    """A clock that stands until `go` moves it; the world's second 0 is Unix second 1,700,000,000."""

    def __init__(self, *, speed: float = 1.0) -> None:
        self.at = 0.0
        super().__init__(speed=speed, started=1_700_000_000.0, monotonic=lambda: self.at)

    def go(self, seconds: float) -> None:
        self.at += seconds


def hand_world(
    *, seed: int = 1, scenario: Scenario = SCENARIOS["steady"], tasks: int | None = None
) -> tuple[World, HandClock]:
    clock = HandClock()
    return World(seed=seed, scenario=scenario, clock=clock, tasks=tasks), clock


@pytest.fixture(scope="session")
def make_world() -> Callable[..., tuple[World, HandClock]]:
    return hand_world


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Frozen, without a quota: its answers and its truth are of one moment."""
    with Simulator(quota=math.inf, history=600.0) as running:
        running.clock.freeze()
        yield running


def signed_headers(
    simulator: Simulator,
    action: str,
    parameters: Mapping[str, str],
    *,
    secret: str = "simulator",
    method: str = "POST",
    **changed: str,
) -> dict[str, str]:
    """Headers of a signed call; `changed` are headers with `_` for `-`, changed before signing."""
    headers = {
        "host": urlsplit(simulator.url).netloc,
        "x-acs-action": action,
        "x-acs-version": "2017-03-21",
        "x-acs-date": datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": f"nonce-{next(_nonces)}",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    access_key_id = headers.pop("access-key-id", "simulator")
    headers["authorization"] = authorization(
        access_key_id, secret, method=method, query=canonical_query(parameters), headers=headers
    )
    return headers


def signed_call(
    simulator: Simulator, action: str, parameters: Mapping[str, str] | None = None, **changed: str
) -> requests.Response:
    parameters = parameters or {}
    headers = signed_headers(simulator, action, parameters, **changed)
    return requests.request(
        changed.get("method", "POST"),
        f"{simulator.url}/?{canonical_query(parameters)}",
        headers=headers,
        timeout=10,
        allow_redirects=False,
    )


def open_call(simulator: Simulator, action: str, parameters: Mapping[str, str] | None = None) -> socket.socket:
    """A raw connection on which a signed call has been sent, its answer not yet read."""
    parameters = parameters or {}
    host, port = urlsplit(simulator.url).hostname, urlsplit(simulator.url).port
    connection = socket.create_connection((host, port), timeout=10)
    lines = [f"POST /?{canonical_query(parameters)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in signed_headers(simulator, action, parameters).items()]
    connection.sendall(("\r\n".join(lines) + "\r\ncontent-length: 0\r\n\r\n").encode())
    return connection


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


def _list_in(text: str) -> list[dict[str, str]]:
    """A stream list, through whatever wrapping it came in."""
    streams: list[dict[str, str]] = json.loads(text[text.index("[") :].replace('\\"', '"'))
    return streams


def _unix(reported: Mapping[str, Any], *names: str) -> int | None:
    text = next((reported[name] for name in names if name in reported), None)
    return None if text is None else int(datetime.fromisoformat(text).timestamp())


def _number(reported: Mapping[str, Any], name: str) -> float | None:
    return float(reported[name]) if name in reported else None


def _output_of(reported: Mapping[str, Any]) -> dict[str, object]:
    streams = [
        {
            "kind": kind,
            "index": stream["Index"],
            "codec": stream["CodecName"],
            "bitrate": pytest.approx(float(stream["Bitrate"]) * 1000),
        }
        for kind, name in (("video", "VideoStreamList"), ("audio", "AudioStreamList"))
        for stream in _list_in(reported[name])
    ]
    watermarks = reported.get("WatermarkIdList", [])
    if isinstance(watermarks, str):
        watermarks = json.loads(watermarks)
    if watermarks and watermarks[0].startswith("["):
        watermarks = json.loads(watermarks[0])
    return {
        "format": reported["Format"],
        "encryption": json.loads(reported.get("Encryption", "{}").replace('\\"', '"')).get("EncryptType", ""),
        "bitrate": int(reported["Bitrate"]) * 1000,
        "size": int(reported["Filesize"]),
        "duration": _number(reported, "Duration"),
        "frames_per_second": _number(reported, "Fps"),
        "width": _number(reported, "Width"),
        "height": _number(reported, "Height"),
        "streams": streams,
        "watermark_ids": watermarks,
    }


def job_of(reported: Mapping[str, Any]) -> dict[str, object]:
    """A job of an answer in the shape of the truth: a parser that is not the exporter's."""
    status = reported["TranscodeJobStatus"]
    return {
        "job_id": reported["TranscodeJobId"],
        "definition": reported["Definition"],
        "template_id": reported["TranscodeTemplateId"],
        "priority": reported["Priority"],
        "status": status,
        "progress": int(reported["TranscodeProgress"]) / 100,
        "created": _unix(reported, "CreationTime"),
        "completed": None if status == "Transcoding" else _unix(reported, "CompleteTime", "FinishTime"),
        "error_code": reported["ErrorCode"] if status == "TranscodeFail" else "",
        "output": _output_of(reported["OutputFile"]) if status == "TranscodeSuccess" else None,
    }


def task_of(reported: Mapping[str, Any], *, jobs: bool = True) -> dict[str, object]:
    """A task of an answer in the shape of the truth, less the status of its video."""
    status = {"CompleteAllSucces": "CompleteAllSucc", "CompeleteAllSucc": "CompleteAllSucc"}.get(
        reported["TaskStatus"], reported["TaskStatus"]
    )
    shape: dict[str, object] = {
        "task_id": reported["TranscodeTaskId"],
        "video_id": reported["VideoId"],
        "status": status,
        "trigger": reported.get("Trigger", "").strip(),
        "template_group_id": reported["TranscodeTemplateGroupId"],
        "created": _unix(reported, "CreationTime"),
        "completed": _unix(reported, "CompleteTime") if status.startswith("Complete") else None,
    }
    return shape | ({"jobs": [job_of(job) for job in reported["TranscodeJobInfoList"]]} if jobs else {})


@pytest.fixture(scope="session")
def read_task() -> Callable[..., dict[str, object]]:
    return task_of


@pytest.fixture(scope="session")
def read_job() -> Callable[..., dict[str, object]]:
    return job_of


@pytest.fixture(scope="session")
def call() -> Callable[..., requests.Response]:
    return signed_call


@pytest.fixture(scope="session")
def headers() -> Callable[..., dict[str, str]]:
    return signed_headers


@pytest.fixture(scope="session")
def raw_call() -> Callable[..., socket.socket]:
    return open_call


@pytest.fixture(scope="session")
def read() -> Callable[[socket.socket], bytes]:
    return read_all
