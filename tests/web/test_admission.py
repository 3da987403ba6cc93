"""Admission bounds the requests in progress, and frees a place however a request ends."""

from __future__ import annotations

import pytest
from starlette.exceptions import HTTPException

from exporter.web.admission import Admission


def test_a_request_over_the_limit_gets_503_with_detail_and_retry_after() -> None:
    admission = Admission(2, "two are in progress", retry_after=7)
    with admission, admission, pytest.raises(HTTPException) as caught, admission:
        pytest.fail("the third was admitted")
    assert (caught.value.status_code, caught.value.detail) == (503, "two are in progress")
    assert caught.value.headers == {"Retry-After": "7"}


def test_a_place_is_free_again_after_a_request_ended_or_failed() -> None:
    admission = Admission(1, "busy")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), admission:
            _ = 1 / 0
        with admission:
            pass


def test_a_refused_request_takes_no_place() -> None:
    admission = Admission(1, "busy")
    with admission:
        for _ in range(3):
            with pytest.raises(HTTPException), admission:
                pass
    with admission:
        pass
