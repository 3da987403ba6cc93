"""The quota holds in any one second, and the counters can prove a client's budget."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.quota import Quota
from exporter.simulator.refusal import Refusal


def _admitted(quota: Quota, action: str, calls: int) -> int:
    done = 0
    for _ in range(calls):
        try:
            quota.spend(action)
        except Refusal:
            continue
        done += 1
    return done


def test_one_call_too_many_is_refused_as_the_service_does() -> None:
    quota = Quota(1, monotonic=lambda: 0.0)
    quota.spend("GetTranscodeTask")
    with pytest.raises(Refusal) as refused:
        quota.spend("GetTranscodeTask")
    assert (refused.value.code, refused.value.status) == ("Throttling.User", 400)


def test_fifteen_a_second_per_operation_and_fifty_for_the_video_list() -> None:
    at = [0.0]
    quota = Quota(15, monotonic=lambda: at[0])
    assert _admitted(quota, "GetTranscodeTask", 40) == 15
    assert _admitted(quota, "ListTranscodeTask", 40) == 15
    assert _admitted(quota, "GetVideoList", 60) == 50
    at[0] = 0.999
    assert _admitted(quota, "GetTranscodeTask", 1) == 0
    at[0] = 1.0
    assert _admitted(quota, "GetTranscodeTask", 40) == 15
    assert quota.throttled == {"GetTranscodeTask": 51, "ListTranscodeTask": 25, "GetVideoList": 10}


@given(st.lists(st.floats(0, 0.5), max_size=60), st.integers(1, 15))
def test_no_second_ever_holds_more_than_the_quota(gaps: list[float], rate: int) -> None:
    at = [0.0]
    quota = Quota(rate, monotonic=lambda: at[0])
    admitted: list[float] = []
    for gap in gaps:
        at[0] += gap
        if _admitted(quota, "GetTranscodeTask", 1):
            admitted.append(at[0])
    for moment in admitted:
        assert sum(moment - 1 < other <= moment for other in admitted) <= rate


def test_a_quota_below_one_is_a_call_in_a_longer_time_and_infinity_is_none() -> None:
    at = [0.0]
    slow = Quota(0.5, monotonic=lambda: at[0])
    assert _admitted(slow, "GetTranscodeTask", 5) == 1
    at[0] = 1.5
    assert _admitted(slow, "GetTranscodeTask", 5) == 0
    at[0] = 2.0
    assert _admitted(slow, "GetTranscodeTask", 5) == 1
    assert _admitted(Quota(math.inf), "GetTranscodeTask", 500) == 500
    with pytest.raises(ValueError, match="must be above 0"):
        Quota(0)


def test_peak_is_the_most_calls_in_any_one_second() -> None:
    at = [0.0]
    quota = Quota(1, monotonic=lambda: at[0])
    for moment in (0.0, 0.6, 0.7, 0.8, 1.5, 5.0):
        at[0] = moment
        quota.count("GetTranscodeTask")
    assert quota.calls == {"GetTranscodeTask": 6}
    assert quota.peak == {"GetTranscodeTask": 4}


def test_what_others_take_is_missing_now_more_now_less() -> None:
    at = [0.0]
    quota = Quota(15, taken=0.8, monotonic=lambda: at[0])
    left = []
    for second in range(60):
        at[0] = float(second)
        left.append(_admitted(quota, "GetTranscodeTask", 40))
    assert left == ([3] * 20 + [9] * 10) * 2
    with pytest.raises(ValueError, match="less than 1"):
        Quota(15, taken=1.0)
