"""Distortion: changes a true answer as a fault asks, before it is sent."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from exporter.simulator.faults import Fault
from exporter.simulator.refusal import missing, usual_status

_JSON = "application/json;charset=utf-8"
HOST_ID = "vod.cn-shanghai.aliyuncs.com"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. `headers` are sent in addition to Content-Type and Content-Length."""

    status: int
    body: bytes
    content_type: str = _JSON
    headers: tuple[tuple[str, str], ...] = ()


def json_answer(status: int, value: object) -> Answer:
    """An answer with `value` as JSON. Lone surrogates are sent unchanged, as a faulty service would do."""
    return Answer(status, json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def error_answer(status: int, *, code: str, message: str, request_id: str) -> Answer:
    """An error as VOD writes it."""
    return json_answer(
        status,
        {
            "RequestId": request_id,
            "HostId": HOST_ID,
            "Code": code,
            "Message": message,
            "Recommend": f"https://api.aliyun.com/troubleshoot?q={code}&product=vod",
        },
    )


def distort(fault: Fault, answer: Answer, *, request_id: str) -> Answer:
    """Return the answer to a call that meets `fault`. Kinds that only change how it is sent return it unchanged."""
    if fault.kind == "code":
        status = fault.status or usual_status(fault.code)
        answer = error_answer(status, code=fault.code, message=fault.message, request_id=request_id)
    elif fault.kind == "refuse-job-ids":
        refusal = missing("TranscodeTaskId")
        answer = error_answer(refusal.status, code=refusal.code, message=refusal.message, request_id=request_id)
    elif fault.kind == "replace":
        answer = json_answer(answer.status, _replaced(json.loads(answer.body), fault.fields or {}))
    elif fault.kind == "drop-job-ids":
        answer = json_answer(answer.status, _dropped(json.loads(answer.body)))
    elif fault.kind in _INVENTED:
        answer = _INVENTED[fault.kind](fault)
    if fault.retry_after is None:
        return answer
    retry = ("Retry-After", str(fault.retry_after))
    return Answer(answer.status, answer.body, answer.content_type, (*answer.headers, retry))


def _status(fault: Fault) -> Answer:
    return Answer(fault.status or 503, (fault.body or "").encode(), "text/plain")


def _malformed(fault: Fault) -> Answer:
    body = _VARIANTS[fault.variant]() if fault.body is None else fault.body
    return Answer(fault.status or 200, body.encode("utf-8", "surrogatepass"))


def _html(fault: Fault) -> Answer:
    page = fault.body or "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
    return Answer(fault.status or 200, page.encode(), "text/html")


def _huge(fault: Fault) -> Answer:
    frame = b'{"RequestId": "%s"}'
    size = 64 * 2**20 if fault.size is None else fault.size
    return Answer(200, frame % (b"x" * max(0, size - len(frame) + 2)))


def _gzip_bomb(fault: Fault) -> Answer:
    size = 256 * 2**20 if fault.size is None else fault.size
    return Answer(200, _bomb(size), headers=(("Content-Encoding", "gzip"),))


def _redirect(fault: Fault) -> Answer:
    return Answer(fault.status or 302, b"", "text/plain", (("Location", fault.location),))


@lru_cache(maxsize=4)
def _bomb(size: int) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0) as file:
        for begin in range(0, size, 2**20):
            file.write(b" " * min(2**20, size - begin))
    return packed.getvalue()


def _replaced(value: object, new: Mapping[str, object]) -> object:
    if isinstance(value, dict):
        return {name: new[name] if name in new else _replaced(part, new) for name, part in value.items()}
    return [_replaced(part, new) for part in value] if isinstance(value, list) else value


def _dropped(value: object) -> object:
    if isinstance(value, dict):
        gone = ("TranscodeJobId", "TranscodeJobStatus")
        return {name: _dropped(part) for name, part in value.items() if name not in gone}
    return [_dropped(part) for part in value] if isinstance(value, list) else value


def _in_job(figures: str) -> str:
    job = f'{{"TranscodeJobId": "{"0" * 32}", "TranscodeJobStatus": "TranscodeSuccess", "OutputFile": {{{figures}}}}}'
    return f'{{"RequestId": "", "TranscodeTask": {{"TranscodeJobInfoList": [{job}]}}, "TranscodeJobInfoList": [{job}]}}'


_VARIANTS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "types": lambda: json.dumps(
            {
                "RequestId": 7,
                "TranscodeTask": "none",
                "TranscodeJobInfoList": {"TranscodeJobInfo": True},
                "NonExistJobIds": 3,
                "TranscodeTaskList": [[], None, "task"],
                "TranscodeSummaryList": {},
                "VideoList": [{"Video": 1}],
                "Total": {},
            }
        ),
        "nesting": lambda: "[" * 100_000 + "]" * 100_000,
        "digits": lambda: _in_job(f'"Filesize": {"9" * 5000}, "Bitrate": "{"9" * 5000}"'),
        "nan": lambda: _in_job('"Filesize": NaN, "Bitrate": Infinity, "Duration": -Infinity, "Fps": "nan"'),
    }
)

_INVENTED: Mapping[str, Callable[[Fault], Answer]] = MappingProxyType(
    {
        "status": _status,
        "malformed": _malformed,
        "html": _html,
        "huge": _huge,
        "gzip-bomb": _gzip_bomb,
        "redirect": _redirect,
    }
)
