"""What discovery costs: at most one call for ten videos and interval, once the tasks of each video were listed."""

from __future__ import annotations

import pytest

from exporter.simulator.faults import Fault
from tests.conftest import snapshot_of
from tests.integration.lab import INTERVAL, OF_DISCOVERY, SHORT, Lab, lab

pytestmark = pytest.mark.slow

COUNT = 100


def listed(made: Lab, count: int) -> None:
    """The exporter knows all tasks of these videos, which transcode. Their number of calls starts at 0."""
    tasks = [made.upload(age=number * 10) for number in range(count)]
    made.scrape()
    assert all(made.tracks(task) for task in tasks)
    made.live(2 * INTERVAL, every=INTERVAL)
    made.calls()


def test_videos_in_transcoding_cost_one_call_for_ten_videos_and_interval() -> None:
    """400 videos cost 1,983 calls of ListTranscodeTask in 198 s, before GetTranscodeSummary was called."""
    with lab() as made:
        listed(made, COUNT)
        made.live(198, every=INTERVAL)
        calls = made.calls()

        assert calls["ListTranscodeTask"] == 0
        assert sum(calls[name] for name in OF_DISCOVERY) <= COUNT / 10 * 198 / INTERVAL


def test_a_new_task_costs_two_lists_of_its_video() -> None:
    """When it is new, and when it has ended."""
    with lab() as made:
        video = made.upload(takes=SHORT).video
        made.videos.name("configuration", [video.id], source="videos")
        made.live(4 * INTERVAL)
        made.calls()
        task = made.submit(video, takes=0.5)
        made.live(20 * INTERVAL)

        assert made.has_ended(task)
        assert made.calls()["ListTranscodeTask"] == 2


def test_named_videos_cost_one_call_for_ten_and_interval() -> None:
    with lab() as made:
        videos = [made.upload(age=9 * 86_400, takes=SHORT).video.id for _ in range(30)]
        made.videos.name("configuration", videos, source="videos")
        made.live(4 * INTERVAL)
        made.calls()
        made.live(4 * INTERVAL)
        calls = made.calls()

        assert (calls["GetTranscodeSummary"], calls["ListTranscodeTask"]) == (4 * 3, 0)


@pytest.mark.parametrize("code", ["UnsupportedOperation", "Forbidden.RAM", "InvalidAction.NotFound"])
def test_a_service_without_summaries_costs_one_call_for_each_video_and_interval(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The account stays up, and the log says it once in two hours, although it is tried again after one."""
    with lab() as made:
        listed(made, 6)
        made.simulator.faults.add(Fault(kind="code", action="GetTranscodeSummary", code=code))
        made.live(8 * INTERVAL)
        calls = made.calls()
        made.live(2 * 3600, every=1200)

        assert calls["GetTranscodeSummary"] <= 2
        assert calls["ListTranscodeTask"] == pytest.approx(8 * 6, abs=6)
        assert 1 <= made.calls()["GetTranscodeSummary"] <= 4
        assert snapshot_of(made.account).up is True
        assert [record.getMessage() for record in caplog.records] == [
            "GetTranscodeSummary refused: one call per video instead of one per ten videos"
        ]
