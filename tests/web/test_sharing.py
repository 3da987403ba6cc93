"""Status pages are shared for a second, made one at a time, and wait for scrapes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
from starlette.exceptions import HTTPException

from exporter.web import sharing
from exporter.web.listing import Query
from exporter.web.scrapes import Scrapes
from exporter.web.sharing import PAGES_AT_ONCE, Pause, SharedPages


class Busy:
    """Stands for the scrapes: `in_progress` of them."""

    def __init__(self, in_progress: int = 0) -> None:
        self.in_progress = in_progress
        self.patience: list[float] = []

    async def quiet(self, seconds: float) -> None:
        self.patience.append(seconds)


class Maker:
    """Makes pages, notes their queries, and how many are made at the same time. Each calls `during`."""

    def __init__(self, during: Callable[[Pause], None] = lambda _: None) -> None:
        self.queries: list[str] = []
        self.most = 0
        self._running = 0
        self._during = during

    def __call__(self, query: Query, pause: Pause) -> str:
        self.queries.append(query.q)
        self._running += 1
        self.most = max(self.most, self._running)
        try:
            self._during(pause)
        finally:
            self._running -= 1
        return f"{query.q} {len(self.queries)}"


def shared(maker: Maker, scrapes: Busy | None = None) -> SharedPages:
    return SharedPages(maker, cast("Scrapes", scrapes or Busy()))


async def several(pages: SharedPages, *texts: str) -> list[Any]:
    return await asyncio.gather(*(pages.page(Query(text)) for text in texts), return_exceptions=True)


def run(made: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(made)


@pytest.fixture
def for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "SHARED_SECONDS", 60.0)


@pytest.mark.usefixtures("for_long")
def test_requests_for_the_same_page_share_it() -> None:
    """At the same time, and afterwards."""
    maker = Maker()

    async def asked() -> list[Any]:
        pages = shared(maker)
        return [*await several(pages, *["a"] * 12), *await several(pages, "a", "b")]

    assert run(asked()) == ["a 1"] * 13 + ["b 2"]
    assert maker.queries == ["a", "b"]


def test_a_page_is_made_again_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "SHARED_SECONDS", 0.0)

    async def asked() -> list[Any]:
        pages = shared(Maker())
        return [await pages.page(Query("a")) for _ in range(3)]

    assert run(asked()) == ["a 1", "a 2", "a 3"]


def test_old_pages_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "SHARED_SECONDS", 0.0)

    async def asked() -> int:
        pages = shared(Maker())
        for number in range(20):
            await pages.page(Query(f"{number}"))
        return len(pages._made)

    assert run(asked()) == 1


def test_one_page_is_made_at_a_time() -> None:
    maker = Maker(lambda _: time.sleep(0.01))
    texts = [f"{number}" for number in range(PAGES_AT_ONCE)]
    assert len(run(several(shared(maker), *texts))) == PAGES_AT_ONCE
    assert (sorted(maker.queries), maker.most) == (texts, 1)


@pytest.mark.usefixtures("for_long")
def test_too_many_different_pages_at_once_get_503_and_are_made_later() -> None:
    async def asked() -> tuple[list[Any], list[Any]]:
        pages = shared(Maker())
        texts = [f"{number}" for number in range(PAGES_AT_ONCE + 2)]
        return await several(pages, *texts), await several(pages, *texts[-2:])

    first, second = run(asked())
    assert [one.status_code for one in first if isinstance(one, HTTPException)] == [503, 503]
    assert all(isinstance(one, str) for one in (*first[:PAGES_AT_ONCE], *second))


@pytest.mark.usefixtures("for_long")
def test_a_failure_is_not_shared_with_later_requests() -> None:
    failures = [ZeroDivisionError()]

    def fail_once(_: Pause) -> None:
        if failures:
            raise failures.pop()

    async def asked() -> str:
        pages = shared(Maker(fail_once))
        with contextlib.suppress(ZeroDivisionError):
            await pages.page(Query("a"))
        return await pages.page(Query("a"))

    assert run(asked()) == "a 2"


def test_a_page_waits_for_the_scrapes_before_it_is_made() -> None:
    scrapes = Busy()
    run(several(shared(Maker(), scrapes), "a"))
    assert scrapes.patience == [sharing.PATIENCE_SECONDS]


def test_making_a_page_pauses_until_the_scrapes_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "PATIENCE_SECONDS", 60.0)
    scrapes, paused = Busy(in_progress=1), threading.Event()

    def during(pause: Pause) -> None:
        paused.set()
        pause()
        assert not scrapes.in_progress

    def end_scrape() -> None:
        paused.wait(30)
        scrapes.in_progress = 0

    ending = threading.Thread(target=end_scrape)
    ending.start()
    assert run(several(shared(Maker(during), scrapes), "a")) == ["a 1"]
    ending.join()


def test_a_page_is_made_although_scrapes_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """All its pauses together have a bound."""
    monkeypatch.setattr(sharing, "PATIENCE_SECONDS", 0.05)
    naps: list[float] = []
    monkeypatch.setattr("exporter.web.sharing.time.sleep", naps.append)

    def during(pause: Pause) -> None:
        for _ in range(1000):
            pause()

    assert run(several(shared(Maker(during), Busy(in_progress=1)), "a")) == ["a 1"]
    assert sum(naps) < 0.1
