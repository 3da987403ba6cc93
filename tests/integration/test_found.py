"""Each row of the table in docs/tracking.md: what finds a task, and after how long."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from exporter.model import EndedJob
from exporter.simulator import answers
from exporter.simulator.faults import Fault
from exporter.simulator.plan import Video
from tests.conftest import snapshot_of
from tests.integration.lab import INTERVAL, LONG, LOOKBACK, SCRAPE, SHORT, SOME, Lab, lab

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "tracking.md").read_text()
SOON = INTERVAL + SCRAPE
HOUR = 3600.0
_ROWS: set[str] = set()

Test = TypeVar("Test", bound=Callable[..., None])


def row(task: str) -> Callable[[Test], Test]:
    """The test of the row that begins with this text."""
    _ROWS.add(task)
    return lambda test: test


@pytest.fixture
def running() -> Iterator[Lab]:
    """An exporter that has run for a minute."""
    with lab() as made:
        made.scrape()
        made.live(60)
        yield made


def test_each_row_of_the_table_has_a_test() -> None:
    table = PAGE.partition("## What finds a task, and when")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| .+ \|$", table, re.MULTILINE)

    assert set(rows) - {"task"} == _ROWS


@row("the first task of a new video")
def test_the_first_task_of_a_new_video(running: Lab) -> None:
    assert running.finds(running.upload(age=10), within=HOUR) <= SOON


@row("a task of a video that VOD reports as `Transcoding`, however old the video is")
def test_a_task_of_an_old_video_in_transcoding(running: Lab) -> None:
    assert running.finds(running.upload(age=9 * LOOKBACK), within=HOUR) <= SOON


@row("a task that VOD lists later than it reports its video as `Transcoding`")
@pytest.mark.parametrize("takes", [LONG, SOME], ids=["transcoding", "ended"])
@pytest.mark.parametrize("by_summaries", [True, False], ids=["summaries", "lists"])
def test_a_task_that_vod_lists_late(running: Lab, takes: float, *, by_summaries: bool) -> None:
    """It is listed five minutes after its start, or shortly after its end: the video has left `Transcoding` by then."""
    if not by_summaries:
        running.simulator.faults.add(Fault(kind="code", action="GetTranscodeSummary", code="UnsupportedOperation"))
    task = running.upload(age=9 * LOOKBACK, takes=takes)
    hidden = 300.0 if takes == LONG else task.ends - task.created + INTERVAL
    running.hide(seconds=hidden)

    assert hidden <= running.finds(task, within=HOUR) <= hidden + SOON


def test_a_video_whose_task_is_never_listed_is_forgotten_after_two_more_answers(running: Lab) -> None:
    """VOD is asked about a video while it is transcoding, and twice after that."""
    running.hide(seconds=math.inf)
    task = running.upload(age=9 * LOOKBACK, takes=SOME)
    while not running.has_ended(task):
        running.live(INTERVAL)
    running.live(3 * INTERVAL)
    running.calls()
    running.live(HOUR)
    calls = running.calls()

    assert (calls["GetTranscodeSummary"], calls["ListTranscodeTask"]) == (0, 0)


@row("the first task of a new video in asynchronous transcode mode, which stays `Normal`")
def test_the_first_task_of_an_asynchronous_video(running: Lab) -> None:
    assert running.finds(running.upload(age=10, asynchronous=True), within=HOUR) <= SOON


def recent(running: Lab) -> Video:
    """A `Normal` video that was created two hours ago, while the exporter ran. Its first task has ended."""
    video = running.upload(takes=SHORT).video
    running.live(2 * HOUR, every=300)
    return video


def old(running: Lab) -> Video:
    """A `Normal` video that was created before the lookback. Its first task has ended."""
    video = running.upload(age=9 * LOOKBACK, takes=SHORT).video
    running.rest(60)
    return video


@row("a further task of a `Normal` video that was created within `lookback`")
def test_a_further_task_of_a_normal_video(running: Lab) -> None:
    task = running.submit(recent(running))

    assert running.finds(task, within=LOOKBACK, every=300) <= 0.25 * 2 * HOUR + 300


@row("a task that starts and ends between two requests, of a video that was created within `lookback`")
def test_a_task_that_starts_and_ends_between_two_requests(running: Lab) -> None:
    task = running.submit(recent(running), takes=SHORT)
    running.rest(60)

    assert running.has_ended(task)
    assert running.finds(task, within=LOOKBACK, every=300) <= 0.25 * 2 * HOUR + 300


@row("a task that ran while no exporter did, of a video that was created within `lookback`")
def test_a_task_that_ran_while_no_exporter_did() -> None:
    with lab() as made:
        task = made.upload(takes=SHORT)
        made.rest(8 * HOUR)
        made.scrape()

        assert made.tracks(task)


@row("the second of two tasks of the same second, if VOD listed only the first")
def test_the_second_of_two_tasks_of_the_same_second(running: Lab) -> None:
    running.until_next_second()
    first = running.upload(asynchronous=True)
    running.videos.name("configuration", [first.video.id], source="videos")
    running.scrape()
    running.rest(0.5)
    second = running.submit(first.video, takes=SOME)
    missed = running.finds(second, within=SOON)
    running.live(10 * 60)

    assert running.simulator.world.unix_seconds(first.created) == running.simulator.world.unix_seconds(second.created)
    assert (missed, running.has_ended(second), running.tracks(second)) == (math.inf, True, True)


@row("a task of one of more than 5,000 videos in transcoding")
def test_a_task_of_one_of_many_videos_in_transcoding(running: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_VIDEO_ROWS", 110)
    tasks = [running.upload(age=9 * LOOKBACK + number) for number in range(130)]

    assert max(running.finds(task, within=HOUR) for task in tasks) <= SOON
    assert snapshot_of(running.account).videos == {"Transcoding": 130}


@row("a task of a video from an hour in which more than 5,000 videos were created")
def test_a_task_of_one_of_many_new_videos(running: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_VIDEO_ROWS", 110)
    tasks = [running.upload(age=number / 10, asynchronous=True) for number in range(130)]

    assert max(running.finds(task, within=HOUR) for task in tasks) <= SOON


@row("a task of a video that the configuration or a file names")
def test_a_task_of_a_named_video(running: Lab) -> None:
    video = old(running)
    running.videos.name("configuration", [video.id], source="videos")
    running.live(HOUR, every=300)

    assert running.finds(running.submit(video), within=HOUR) <= SOON


@row("a task that your application registers")
def test_a_registered_task(running: Lab) -> None:
    task = running.submit(old(running))
    running.account.register([task.id])
    running.scrape()

    assert running.shows(task)


@row("a task that your application registers before VOD knows it")
@pytest.mark.parametrize("seconds", [20.0, 590.0])
@pytest.mark.parametrize("restarts", [False, True], ids=["running", "restarted"])
def test_a_task_that_is_registered_before_vod_knows_it(running: Lab, seconds: float, *, restarts: bool) -> None:
    """It was dropped after two scrapes."""
    task = running.submit(old(running))
    running.hide(seconds=seconds)
    running.account.register([task.id])
    running.live(2 * SCRAPE)
    if restarts:
        running.restart()
    running.calls()
    took = 2 * SCRAPE + running.describes(task, within=HOUR)

    assert seconds <= took <= 1.5 * seconds + SCRAPE
    assert running.calls()["GetTranscodeTask"] <= 15


def test_a_registered_task_that_vod_never_knows_is_dropped_after_ten_minutes(running: Lab) -> None:
    running.account.register(["none"])
    running.live(600 - SCRAPE)
    kept = [task_id for task_id, *_ in running.ledger.tasks()]
    running.live(3 * SCRAPE)

    assert (kept, running.ledger.tasks()) == (["none"], [])
    assert snapshot_of(running.account).up is True


def test_a_registered_task_is_asked_about_as_soon_as_vod_lists_it(running: Lab) -> None:
    """Its pauses have grown to more than two minutes by then."""
    video = old(running)
    running.videos.name("configuration", [video.id], source="videos")
    task = running.submit(video)
    running.hide(seconds=280)
    running.account.register([task.id])

    assert 280 <= running.describes(task, within=HOUR) <= 280 + SOON


@row("a task of a video about which VOD sends events")
def test_a_task_that_an_event_reports(running: Lab) -> None:
    task = running.submit(old(running))
    running.account.event(task.video.id, EndedJob(task.jobs[0].id))
    running.scrape()

    assert running.tracks(task)


@row("a further task of a `Normal` video that was created before `lookback`")
def test_a_further_task_of_an_old_normal_video(running: Lab) -> None:
    task = running.submit(old(running))

    assert running.finds(task, within=2 * LOOKBACK, every=HOUR) == math.inf


@row("a task that starts and ends between two requests, of a video that was created before `lookback`")
def test_a_short_task_of_an_old_video(running: Lab) -> None:
    task = running.upload(age=9 * LOOKBACK, takes=SHORT)
    running.rest(60)

    assert running.has_ended(task)
    assert running.finds(task, within=2 * LOOKBACK, every=HOUR) == math.inf


@row("a task of a video that is deleted before its tasks were listed")
def test_a_task_of_a_video_that_is_deleted_at_once(running: Lab) -> None:
    task = running.upload()
    running.forget(task.video)

    assert running.finds(task, within=HOUR, every=300) == math.inf


def test_a_known_task_of_a_deleted_video_is_dropped(running: Lab) -> None:
    task = running.upload()
    found = running.finds(task, within=HOUR)
    running.forget(task.video)
    running.live(10 * 60)

    assert found <= SOON
    assert not running.tracks(task)
