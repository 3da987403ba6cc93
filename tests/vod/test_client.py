"""The methods of the client against the simulator: one operation each, and lists page by page."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exporter.deadline import Deadline
from exporter.errors import (
    MalformedResponse,
    NotFoundError,
    RequestRejected,
    VodError,
)
from exporter.model import ACTIONS, DESCRIBE_VOD_TRANSCODE_DATA, VIDEO_IDS_PER_CALL
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.vod.client import JOB_IDS_PER_CALL, Client
from exporter.vod.pages import VIDEOS_PER_PAGE
from tests.vod.conftest import a_task, codes

pytestmark = pytest.mark.usefixtures("quick")

SECRET = "canary+secret/=="
TOKEN = "canary+token/" + "T" * 900 + "=="

Start = Callable[..., Any]
Make = Callable[..., bytes]
Observed = list[tuple[str, float | None, str | None]]


def test_a_task_is_read_by_its_id(world: Simulator, vod: Client, soon: Deadline, observed: Observed) -> None:
    expected = a_task(world)
    task, malformed = vod.get_task(expected.id, soon)
    assert (task.id, task.video_id, malformed) == (expected.id, expected.video.id, ())
    assert {job.id for job in task.jobs} <= {job.id for job in expected.jobs} | {""}
    assert len(task.jobs) == len(expected.jobs)
    assert [(action, code) for action, _, code in observed] == [("GetTranscodeTask", None)]


def test_the_actions_are_those_that_the_methods_of_the_client_send(
    world: Simulator, vod: Client, soon: Deadline, observed: Observed
) -> None:
    """The documentation lists a RAM permission for each action, and each action has counters from the start."""
    task = a_task(world)
    calls: dict[str, Callable[[], object]] = {
        "get_task": lambda: vod.get_task(task.id, soon),
        "get_jobs": lambda: vod.get_jobs([task.jobs[0].id], soon),
        "get_summaries": lambda: vod.get_summaries([task.video.id], soon),
        "list_tasks": lambda: next(vod.list_tasks(task.video.id, soon)),
        "list_videos": lambda: next(vod.list_videos(soon)),
        "usage": lambda: vod.usage("cn-shanghai", soon, start=3600, end=7200),
    }
    methods = {name for name in vars(Client) if not name.startswith("_")}
    assert methods == calls.keys() | {"close", "waiting_since", "latency", "probe"}  # a new operation needs a call here
    for call in calls.values():
        call()
    assert {action for action, _, _ in observed} == {*ACTIONS, DESCRIBE_VOD_TRANSCODE_DATA}


def test_jobs_are_requested_by_their_ids(world: Simulator, vod: Client, soon: Deadline) -> None:
    """One call has up to ten jobs of any tasks. VOD returns unknown ids separately."""
    ids = [job.id for task in world.world.tasks for job in task.jobs][: JOB_IDS_PER_CALL - 1]
    reply = vod.get_jobs([*ids, "nowhere"], soon)
    assert [job.id for job in reply.jobs] == ids
    assert "nowhere" not in {job.id for job in reply.jobs}


def test_the_newest_tasks_of_ten_videos_are_one_request(
    world: Simulator, vod: Client, soon: Deadline, observed: Observed
) -> None:
    newest = {task.video.id: task for task in world.world.tasks}
    ids = [*newest][: VIDEO_IDS_PER_CALL - 1]
    reply = vod.get_summaries([*ids, "nowhere"], soon)

    assert {task.video_id: task.created for task in reply.tasks} == {
        video_id: world.world.unix_seconds(newest[video_id].created) for video_id in ids
    }
    assert {task.id for task in reply.tasks} == {""}
    assert [action for action, *_ in observed] == ["GetTranscodeSummary"]


def test_the_tasks_of_a_video_are_listed(world: Simulator, vod: Client, soon: Deadline) -> None:
    expected = a_task(world)
    pages = list(vod.list_tasks(expected.video.id, soon))
    assert expected.id in {task.id for page in pages for task in page.tasks}
    assert all(task.video_id == expected.video.id for page in pages for task in page.tasks)


def test_all_videos_page_by_page(world: Simulator, vod: Client, soon: Deadline, observed: Observed) -> None:
    pages = list(vod.list_videos(soon))
    expected = {task.video.id for task in world.world.tasks}
    assert {video.id for page in pages for video in page.videos} == expected
    assert len(expected) > 3 * VIDEOS_PER_PAGE
    assert len(observed) == len(pages) == len(expected) // VIDEOS_PER_PAGE + 1


def test_videos_by_status_and_time(clients: Start, wire: Start, answer: Make, soon: Deadline) -> None:
    server = wire(answer(b'{"VideoList": {"Video": []}}'))
    list(clients(server.url).list_videos(soon, statuses=("Transcoding", "TranscodeFail"), created=(0, 86_400.9)))
    assert parse_qs(server.heads[0].split()[1].partition(b"?")[2].decode()) == {
        "SortBy": ["CreationTime:Desc"],
        "Status": ["Transcoding,TranscodeFail"],
        "StartTime": ["1970-01-01T00:00:00Z"],
        "EndTime": ["1970-01-02T00:00:00Z"],
        "PageNo": ["1"],
        "PageSize": ["100"],
    }


def test_the_usage_of_a_region_by_hour(clients: Start, wire: Start, answer: Make, soon: Deadline) -> None:
    """The end of the request is inclusive, so it is a second before the first hour that is not wanted."""
    row = {"TimeStamp": "1970-01-01T01:00:00Z", "Data": {"DataItem": [{"Name": "H264.SD", "Value": "111"}]}}
    server = wire(answer(json.dumps({"TranscodeData": {"TranscodeDataItem": [row]}}).encode()))
    reply = clients(server.url).usage("cn-shanghai", soon, start=3600, end=7200)
    assert parse_qs(server.heads[0].split()[1].partition(b"?")[2].decode()) == {
        "StartTime": ["1970-01-01T01:00:00Z"],
        "EndTime": ["1970-01-01T01:59:59Z"],
        "Interval": ["hour"],
        "Region": ["cn-shanghai"],
    }
    assert reply.malformed == ("TimeStamp",)  # times before 2000 are malformed


def test_an_unknown_id_is_not_found(vod: Client, soon: Deadline) -> None:
    with pytest.raises(NotFoundError, match="NoSuchResource"):
        vod.get_task("nowhere", soon)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(max_size=60))
@example("~-_.!*'()")
@example("a b+c%20d&e=f#g?h/i;j:k@l,m$n")
@example("转码/../%2e%2e\x00\r\n")
@example("%")
@example("é\u202e𝔘")
def test_any_value_survives_signing_and_the_address(vod: Client, value: str) -> None:
    """The simulator checks the signature over the values that it receives."""
    for ask in (vod.get_task, lambda *asked: list(vod.list_tasks(*asked))):
        with pytest.raises(VodError) as caught:
            ask(value, Deadline.after(20))
        assert caught.value.code in ("NoSuchResource", "InvalidVideo.NotFound", "MissingParameter")
        assert isinstance(caught.value, RequestRejected if not value.strip() else NotFoundError)


def test_an_id_that_cannot_be_encoded_is_refused_without_a_request(vod: Client, soon: Deadline) -> None:
    with pytest.raises(RequestRejected) as caught:
        vod.get_task("\udcff", soon)
    assert caught.value.code == "not_text"


def test_a_token_is_sent_and_signed(clients: Start, soon: Deadline, wire: Start, answer: Make) -> None:
    with Simulator(access_key_secret=SECRET, quota=math.inf, history=60.0) as simulator:
        assert list(clients(simulator.url, secret=SECRET, token=TOKEN).list_videos(soon))
    server = wire(answer(b'{"VideoList": {"Video": []}}'))
    list(clients(server.url, token=TOKEN).list_videos(soon))
    assert f"\r\nx-acs-security-token: {TOKEN}\r\n".encode() in server.heads[0]
    assert b"x-acs-security-token" in server.heads[0].partition(b"SignedHeaders=")[2]


@pytest.mark.no_cover
def test_many_threads_share_a_client(world: Simulator, vod: Client, observed: Observed) -> None:
    task = a_task(world)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: vod.get_task(task.id, Deadline.after(20))[0].id, range(64)))
    assert found == [task.id] * 64
    assert codes(observed) == [None] * 64


def test_pages_are_asked_for_as_they_are_read(clients: Start, wire: Start, answer: Make, soon: Deadline) -> None:
    body = {"VideoList": {"Video": [{"VideoId": f"{row}"} for row in range(VIDEOS_PER_PAGE)]}}
    server = wire(lambda _, connection: connection.sendall(answer(json.dumps(body).encode())) is None)
    assert len(list(islice(clients(server.url).list_videos(soon), 2))) == 2
    assert len(server.heads) == 2


def test_a_page_that_fails_is_an_error_after_the_pages_before(world: Simulator, vod: Client, soon: Deadline) -> None:
    pages = vod.list_videos(soon)
    next(pages)
    world.faults.add(Fault(kind="html"))
    with pytest.raises(MalformedResponse):
        next(pages)
