"""The status page in Chromium: a complete exporter on a simulator whose clock is stopped."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import requests
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from starlette.types import ASGIApp

from exporter import config, wiring
from exporter.keys import Key
from exporter.metrics.telemetry import Telemetry
from exporter.model import Job, Output, Task
from exporter.scrape.scraper import Scraper
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.snapshot import AccountSnapshot
from exporter.tracking.ledger import Ledger
from exporter.tracking.store import MemoryStore
from exporter.web import listing
from exporter.web.app import Interface
from exporter.web.listener import listen, url
from exporter.web.listing import PAGE_SIZE
from exporter.web.server import Server
from exporter.web.site import Site
from tests.conftest import wait_until
from tests.web.conftest import FakeScraper, account_snapshot

pytestmark = pytest.mark.stack

HOSTILE = "<script>document.title='owned'</script><img src=http://127.0.0.2:9/x onerror=document.title='owned'>"
LONG = "W" * 1024
DESKTOP, PHONE, SMALL_PHONE = (1280, 900), (390, 844), (320, 568)
AXE = {"resultTypes": ["violations"]}
HOUR = 3600

expect.set_options(timeout=60_000)

Serve = Callable[[ASGIApp], str]


@contextlib.contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve the app on a free port of 127.0.0.1, for the tests that share a module fixture; yields the URL."""
    listener = listen("127.0.0.1:0")
    server = Server(app, [listener], timeout=10.0)
    thread = threading.Thread(target=server.serve_until_stopped, daemon=True)
    thread.start()
    try:
        yield url(listener)
    finally:
        server.stop()
        thread.join(20)


@dataclass(slots=True)
class Exporter:
    url: str
    scraper: Scraper

    @property
    def jobs(self) -> dict[str, Job]:
        """The listed jobs of the account that can be read, by id."""
        return {one.job.id: one.job for one in self.scraper.snapshot().accounts[0].view.jobs}


def account(name: str, simulator: Simulator, *, secret: str = "simulator") -> config.Account:
    keys = config.AccountKeys(access_key_id=Key("simulator"), access_key_secret=Key(secret))
    track = config.Track(discovery=config.Discovery(interval=5.0, lookback=3600.0))
    return config.Account(name=name, endpoint=simulator.url, credentials=keys, track=track, requests_per_second=100.0)


@contextlib.contextmanager
def exporting(*accounts: config.Account) -> Iterator[Exporter]:
    """An exporter that was scraped until it had no pending requests."""
    settings = config.Settings(accounts=accounts, scrape=config.ScrapeSettings(min_interval=0.0))
    telemetry = Telemetry()
    scraper = wiring.scraper(settings, telemetry, MemoryStore())
    with served(wiring.interface(settings, scraper, telemetry).app()) as address:

        def is_done() -> bool:
            requests.get(f"{address}/metrics", timeout=60)
            first = scraper.snapshot().accounts[0]
            return bool(first.view.jobs) and not any(first.pending_calls.values())

        wait_until(is_done)
        yield Exporter(address, scraper)
    scraper.close()


@pytest.fixture(scope="module")
def browser(tool: Callable[[str], str]) -> Iterator[Browser]:
    path = tool("chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    """An exporter with two accounts: `prod`, with many failed jobs, and `denied`, with a wrong key."""
    with Simulator(scenario="failures", history=400.0, quota=math.inf) as simulator:
        simulator.clock.freeze()
        with exporting(account("prod", simulator), account("denied", simulator, secret="wrong")) as running:
            yield running


@pytest.fixture(autouse=True)
def rare_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine, the page would be loaded again in the middle of a test."""
    monkeypatch.setattr(listing, "REFRESH_SECONDS", HOUR)


@dataclass(slots=True)
class Tab:
    """A page of the browser, the URLs that it requested, and its error messages."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Opens tabs of the given size, in light or dark mode, with or without scripts."""
    contexts: list[BrowserContext] = []

    def opened(size: tuple[int, int] = DESKTOP, *, dark: bool = False, scripts: bool = True) -> Tab:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        tab = Tab(context.new_page())
        tab.page.on("request", lambda request: tab.asked.append(request.url))
        tab.page.on("console", lambda message: tab.complaints.append(message.text))
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.page.on("dialog", lambda dialog: tab.complaints.append(dialog.message))
        return tab

    yield opened
    for context in contexts:
        context.close()


def violations(page: Page) -> dict[str, list[str]]:
    """The violations of all rules of axe-core: HTML of the elements, by rule."""
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("options => axe.run(options)", AXE)["violations"]
    return {one["id"]: [node["html"] for node in one["nodes"]] for one in found}


def test_screen_readers_find_landmarks_headings_and_names(exporter: Exporter, tab: Callable[..., Tab]) -> None:
    page = tab().page
    page.goto(exporter.url)
    for landmark in ("banner", "main", "search", "contentinfo"):
        expect(page.get_by_role(landmark)).to_have_count(1)
    expect(page.get_by_role("navigation", name="Endpoints")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    headings = [one.split("\n")[0] for one in page.get_by_role("heading", level=2).all_inner_texts()]
    assert headings == ["2 issues need attention", "Accounts", "Tasks and jobs"]
    expect(page.get_by_role("article", name="denied")).to_contain_text("Down")
    expect(page.get_by_role("article", name="prod")).to_contain_text("Up")
    failed = next(job for job in exporter.jobs.values() if job.status == "TranscodeFail")
    page.goto(f"{exporter.url}/?q={failed.id}")
    table = page.get_by_role("table")
    assert table.get_by_role("columnheader").all_inner_texts()[:4] == ["Job", "Definition", "Status", "Progress"]
    row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name=failed.id))
    assert [one.split("\n")[0] for one in row.get_by_role("cell").all_inner_texts()][:2] == [
        failed.definition,
        "Failed",
    ]
    expect(row.get_by_role("cell").nth(4)).to_contain_text(f"{failed.error_code} {failed.error_message}")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_problems_are_visible_first_and_link_to_the_failed_jobs(
    exporter: Exporter, tab: Callable[..., Tab], size: tuple[int, int]
) -> None:
    page = tab(size).page
    page.goto(exporter.url)
    first = page.locator(".problem").first
    expect(first).to_contain_text("denied: cannot be read")
    expect(first).to_be_in_viewport(ratio=1)
    page.get_by_role("link", name="Show failed jobs of prod").click()
    failed = {job.id for job in exporter.jobs.values() if job.status == "TranscodeFail"}
    assert failed
    shown = page.locator("tr.job th").all_inner_texts()
    assert 0 < len(shown) <= PAGE_SIZE
    assert set(shown) <= failed
    expect(page.get_by_role("table")).to_be_in_viewport()


def test_a_job_leads_to_its_dashboard(tab: Callable[..., Tab]) -> None:
    """No Grafana is needed to see what the browser asks it for."""
    account = account_snapshot([Task("t")], [Job("j1", "HD", "Transcoding", 0.5)])
    interface = Interface(
        FakeScraper([account]),
        Telemetry(),
        timeout=10.0,
        offset=0.5,
        site=Site(grafana_url="http://localhost:9/grafana"),
    )
    with served(interface.app()) as address:
        opened = tab()
        opened.page.goto(address)
        assert violations(opened.page) == {}
        with opened.page.expect_request(lambda request: "/d/" in request.url) as asked:
            opened.page.get_by_role("link", name="j1").click()
        assert asked.value.url == "http://localhost:9/grafana/d/vod-job?var-account=prod&var-job_id=j1"


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_search_finds_a_job_a_task_and_a_status(
    exporter: Exporter, tab: Callable[..., Tab], *, scripts: bool
) -> None:
    page = tab(scripts=scripts).page
    page.goto(f"{exporter.url}/?refresh=0")
    job = next(one for one in exporter.jobs.values() if one.status == "Transcoding")
    search = page.get_by_role("search")
    search.get_by_role("searchbox").fill(job.id.upper())
    search.get_by_role("button", name="Search").click()
    expect(page.locator("tr.job th")).to_have_text([job.id])
    expect(page.locator("caption")).to_contain_text("1 to 1 of 1 found")
    expect(search.get_by_role("searchbox")).to_have_value(job.id.upper())
    assert "refresh=0" in page.url

    search.get_by_role("searchbox").fill("nowhere")
    search.get_by_role("combobox", name="Status").select_option("failed")
    search.get_by_role("combobox", name="Account").select_option("prod")
    search.get_by_role("searchbox").press("Enter")
    expect(page.get_by_text("No job matches nowhere, account prod, status failed.")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("caption")).not_to_contain_text("in total")


def test_the_pages_of_the_list_show_every_job_once(exporter: Exporter, tab: Callable[..., Tab]) -> None:
    page = tab().page
    page.goto(f"{exporter.url}/?refresh=0")
    seen: list[str] = []
    while True:
        seen += page.locator("tr.job th").all_inner_texts()
        following = page.get_by_role("navigation", name="Pages").get_by_role("link", name="Next")
        if not following.count():
            break
        following.click()
    assert len(exporter.jobs) > PAGE_SIZE
    assert sorted(seen) == sorted(exporter.jobs)


def test_progress_bars_show_the_progress_of_their_jobs(exporter: Exporter, tab: Callable[..., Tab]) -> None:
    page = tab().page
    page.goto(f"{exporter.url}/?status=transcoding")
    shown = page.locator("tr.job")
    assert shown.count() > 10
    for job_id in shown.locator("th").all_inner_texts()[:10]:
        bar = page.get_by_role("progressbar", name=f"progress of job {job_id}")
        progress = exporter.jobs[job_id].progress
        assert bar.evaluate("bar => [bar.position, bar.getBoundingClientRect().width > 40]") == [progress, True]
        expect(shown.filter(has=bar).locator(".bar")).to_have_text(f"{int((progress or 0) * 100 + 1e-6)} %")


def test_the_keyboard_reaches_every_control_with_a_visible_focus(exporter: Exporter, tab: Callable[..., Tab]) -> None:
    """The skip links come first. Enter sends the search."""
    page = tab().page
    page.goto(f"{exporter.url}/?refresh=0")
    stops = page.locator("a[href], input:not([type=hidden]), select, button").count()
    seen = []
    for _ in range(stops):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                """() => {
                    const at = document.activeElement, box = at.getBoundingClientRect()
                    const style = getComputedStyle(at)
                    return [at.textContent.trim() || at.name, box.left >= 0 && box.width > 0 && box.bottom > 0,
                            style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]
                }"""
            )
        )
    assert [name for name, _, _ in seen[:4]] == [
        *("Skip to the problems", "Skip to the search", "Metrics", "Service discovery"),
    ]
    assert all(visible and outlined for _, visible, outlined in seen), seen
    assert len({str(one) for one in seen if one[0] in ("q", "Search")}) == 2

    page.goto(f"{exporter.url}/?refresh=0")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.goto(f"{exporter.url}/?refresh=0")
    for key in ("Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("TranscodeFail")
    page.keyboard.press("Enter")
    expect(page.locator("caption")).to_contain_text("in total")
    assert "q=TranscodeFail" in page.url


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_violations(
    exporter: Exporter, tab: Callable[..., Tab], monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], *, dark: bool
) -> None:
    """Contrast is included. The pages are short, because axe is slow on long pages."""
    monkeypatch.setattr(listing, "PAGE_SIZE", 10)
    page = tab(size, dark=dark).page
    for query in ("refresh=0", "refresh=0&page=2&status=done"):
        page.goto(f"{exporter.url}/?{query}")
        assert violations(page) == {}
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 128) == dark


def test_the_automatic_refresh_can_be_paused(
    exporter: Exporter, tab: Callable[..., Tab], monkeypatch: pytest.MonkeyPatch
) -> None:
    """WCAG 2.2.1 asks for that."""
    monkeypatch.setattr(listing, "PAGE_SIZE", 10)
    page = tab().page
    page.goto(exporter.url)
    assert violations(page) == {}
    page.get_by_role("link", name="Pause refreshing").click()
    assert violations(page) == {}
    page.goto(f"{exporter.url}/?q=nowhere&refresh=0")
    expect(page.get_by_role("link", name="Resume refreshing")).to_be_visible()
    assert violations(page) == {}


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_the_automatic_refresh_keeps_the_search(
    exporter: Exporter, tab: Callable[..., Tab], monkeypatch: pytest.MonkeyPatch, *, scripts: bool
) -> None:
    monkeypatch.setattr(listing, "REFRESH_SECONDS", 1)
    opened = tab(scripts=scripts)
    opened.page.goto(f"{exporter.url}/?q=fail&status=failed")
    with opened.page.expect_request(f"{exporter.url}/?q=fail&status=failed"):
        pass


def test_the_automatic_refresh_waits_while_somebody_types(exporter: Exporter, tab: Callable[..., Tab]) -> None:
    opened = tab()
    opened.page.clock.install()
    opened.page.goto(exporter.url)
    search = opened.page.get_by_role("searchbox")
    search.fill("half a wor")
    loaded = len(opened.asked)
    opened.page.clock.run_for(2 * HOUR * 1000)
    opened.page.wait_for_timeout(500)  # for a request to reach this test
    assert len(opened.asked) == loaded
    search.fill("")
    search.blur()
    with opened.page.expect_request(f"{exporter.url}/"):
        opened.page.clock.run_for(2000)


@pytest.mark.parametrize("size", [DESKTOP, PHONE, SMALL_PHONE])
def test_the_page_never_scrolls_sideways(tab: Callable[..., Tab], exporter: Exporter, size: tuple[int, int]) -> None:
    """Not even with words of 1,024 letters."""
    words = {"error_code": LONG, "error_message": LONG, "input_url": f"http://{LONG}/{LONG}"}
    jobs = (Job(LONG, LONG, "TranscodeFail", 0.5, **words), Job("odd", LONG, LONG, output=Output(url=LONG)))  # type: ignore[arg-type]
    ledger = Ledger("prod")
    ledger.discover([LONG], source="discovery")
    ledger.observe_task(LONG, Task(LONG, LONG, LONG, jobs=jobs))
    long = AccountSnapshot(LONG, LONG, LONG, up=False, last_error=LONG, last_error_at=0.0, view=ledger.view())
    page = tab(size).page
    with served(Interface(FakeScraper([long]), Telemetry(), timeout=10.0, offset=0.5).app()) as long_words:
        for address in (exporter.url, long_words):
            page.goto(address)
            expect(page.locator("tr.job").first).to_be_attached()
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_a_hostile_error_message_is_shown_as_text(tab: Callable[..., Tab]) -> None:
    """On the way through simulator, client, ledger and page."""
    with Simulator(scenario="failures", history=400.0, quota=math.inf) as simulator:
        simulator.clock.freeze()
        simulator.faults.add(Fault(kind="replace", fields={"ErrorMessage": HOSTILE, "InputFileUrl": HOSTILE}))
        with exporting(account("prod", simulator)) as exporter:
            opened = tab()
            opened.page.goto(f"{exporter.url}/?status=failed")
            expect(opened.page.get_by_text(HOSTILE).first).to_be_visible()
            assert opened.page.locator("img, script:not([data-seconds])").count() == 0
            assert "owned" not in opened.page.title()
            assert all(address.startswith((f"{exporter.url}/", "data:")) for address in opened.asked)
            assert opened.complaints == []


def test_the_page_loads_nothing_from_other_servers_and_has_no_errors(
    exporter: Exporter, tab: Callable[..., Tab]
) -> None:
    opened = tab()
    for query in ("", "?status=failed", "?q=nowhere", "?page=2&refresh=0"):
        opened.page.goto(f"{exporter.url}/{query}", wait_until="networkidle")
    assert opened.complaints == []
    assert len(opened.asked) >= 4
    assert all(address.startswith((f"{exporter.url}/", "data:")) for address in opened.asked)


def test_ten_thousand_jobs_make_the_page_no_larger_than_a_hundred(tab: Callable[..., Tab]) -> None:
    page = tab().page
    elements = []
    for count in (100, 10_000):
        many = account_snapshot(jobs=[Job(f"job-{number}", "HD", "Transcoding", 0.5) for number in range(count)])
        with served(Interface(FakeScraper([many]), Telemetry(), timeout=10.0, offset=0.5).app()) as address:
            for query in ("", "?page=2", "?q=hd%20transcoding", f"?q=job-{count - 1}"):
                page.goto(f"{address}/{query}")
                assert 1 <= page.locator("tr.job").count() <= PAGE_SIZE
                expect(page.locator("caption")).to_contain_text(f"{count:,}")
            page.goto(address)
            elements.append(page.evaluate("document.getElementsByTagName('*').length"))
    assert elements[1] <= elements[0] + 10  # a few more links to pages
