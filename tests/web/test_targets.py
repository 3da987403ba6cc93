"""The exposition of one account, and the list of accounts, as Prometheus requests them."""

from __future__ import annotations

import gc
import re
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import cast

import pytest
import requests
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector
from starlette.datastructures import Headers

from exporter import deadline
from exporter.deadline import Deadline
from exporter.errors import VodError
from exporter.metrics import blocks
from exporter.metrics.collector import TranscodeCollector
from exporter.metrics.counts import Own
from exporter.metrics.exposition import OPENMETRICS, TEXT, Format, Together
from exporter.metrics.lines import lines
from exporter.metrics.rows import Row
from exporter.metrics.telemetry import Telemetry
from exporter.model import Job
from exporter.snapshot import AccountSnapshot, LedgerView, ShownJob, Snapshot
from exporter.web import targets
from exporter.web.targets import Target, target_groups
from tests.web.conftest import FakeScraper, Served, ServeInterface

OM = "application/openmetrics-text;version=1.0.0"
BOTH = pytest.mark.parametrize(("form", "accept"), [(TEXT, "text/plain"), (OPENMETRICS, OM)], ids=["text", "OM"])
NAMES = ("prod", "test-2.eu", "quiet")


def account(name: str) -> AccountSnapshot:
    """An account with one job."""
    view = LedgerView(jobs=(ShownJob(Job("j1", "HD", "Transcoding", 0.5), "t1", "v1"),))
    return AccountSnapshot(name, "cn-shanghai", "https://vod.example", up=True, view=view)


@pytest.fixture
def scraper() -> FakeScraper:
    return FakeScraper(account(name) for name in NAMES)


@pytest.fixture
def telemetry() -> Telemetry:
    """Telemetry with counts of two accounts, and none of the third."""
    telemetry = Telemetry()
    for name in NAMES[:2]:
        account = telemetry.account(name)
        account.called(action="GetTranscodeTask", seconds=0.1, error=VodError("refused", code=f"Code.{name}"))
        account.malformed(["Fps"])
        telemetry.event(name, "TranscodeComplete")
    telemetry.rejected(path="/metrics", reason="503")
    return telemetry


@pytest.fixture
def exporter(serve_interface: ServeInterface, scraper: FakeScraper, telemetry: Telemetry) -> Served:
    return serve_interface(scraper, telemetry)


def get(exporter: Served, path: str, accept: str = "text/plain") -> requests.Response:
    return requests.get(exporter.url + path, headers={"Accept": accept}, timeout=10)


def samples(body: str) -> list[str]:
    return sorted(line for line in body.splitlines() if not line.startswith("#"))


def parsed(form: Format, body: str) -> list[Metric]:
    return list(parse_text(body) if form is TEXT else parse_openmetrics(body))  # type: ignore[no-untyped-call]


# -- /probe ------------------------------------------------------------------------------------------------------------


@BOTH
def test_probe_refreshes_and_shows_one_account_only(
    exporter: Served, scraper: FakeScraper, form: Format, accept: str
) -> None:
    """Series of other accounts, of the process and of the build are in /metrics only."""
    answer = get(exporter, "/probe?account=prod", accept)
    assert answer.headers["Content-Type"] == form.content_type
    assert scraper.asked == ["prod"]
    families = parsed(form, answer.text)
    found = [sample for family in families for sample in family.samples]
    assert {sample.labels.get("account") for sample in found} == {"prod"}
    assert {sample.name for sample in found} >= {"vod_up", "vod_transcode_job_status", "vod_exporter_events_total"}
    assert not [one.name for one in families if one.name.startswith(("process_", "python_", "vod_exporter_build"))]


@BOTH
def test_all_probes_together_have_the_account_series_of_the_metrics(
    exporter: Served, form: Format, accept: str
) -> None:
    """Line by line, so dashboards and rules work with either of them."""
    whole = samples(get(exporter, "/metrics", accept).text)
    single = [line for name in NAMES for line in samples(get(exporter, f"/probe?account={name}", accept).text)]
    assert sorted(single) == [line for line in whole if 'account="' in line]


@BOTH
def test_probe_has_the_bytes_that_prometheus_client_writes(
    exporter: Served, scraper: FakeScraper, telemetry: Telemetry, form: Format, accept: str
) -> None:
    for name in NAMES:
        collector = TranscodeCollector(partial(Snapshot, (scraper.shown[name],)))
        registry = CollectorRegistry()
        registry.register(Together(collector, telemetry.of_account(name)))
        assert get(exporter, f"/probe?account={name}", accept).content == form.encode(registry)


def test_promtool_accepts_a_probe(exporter: Served, tool: Callable[[str], str]) -> None:
    """Except that it recommends bytes in place of bits."""
    for name in NAMES:
        body = get(exporter, f"/probe?account={name}").content
        run = subprocess.run([tool("promtool"), "check", "metrics"], input=body, capture_output=True, check=False)
        remarks = (run.stdout + run.stderr).decode().splitlines()
        assert [line for line in remarks if 'use base unit "bytes" instead of "bits"' not in line] == []
        assert run.returncode in (0, 3)  # 1: it cannot be parsed


def test_probe_without_exactly_one_known_account_is_refused(exporter: Served, scraper: FakeScraper) -> None:
    """The refusal is counted, says what to do, and names no account."""
    for query in ("", "?account=", "?accounts=prod", "?account=prod&account=prod", "?account=prod&account=quiet"):
        answer = get(exporter, f"/probe{query}")
        wanted = "name one account in the parameter account of /probe; /sd lists the accounts\n"
        assert (answer.status_code, answer.text) == (400, wanted)
    for name in ("nobody", "PROD", "prod%20", "prod%00", "%ff", "pro*", "x" * 5000):
        answer = get(exporter, f"/probe?account={name}")
        assert (answer.status_code, answer.text) == (404, "no account has this name; /sd lists the accounts\n")
    assert scraper.asked == []
    text = get(exporter, "/metrics").text
    assert 'vod_exporter_rejected_requests_total{path="/probe",reason="400"} 5.0' in text
    assert 'vod_exporter_rejected_requests_total{path="/probe",reason="404"} 7.0' in text


def test_rendered_lines_are_cached_while_other_accounts_are_probed(
    exporter: Served, scraper: FakeScraper, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[int] = []

    def counted(rows: Iterable[Row]) -> dict[str, bytes]:
        rendered.append(1)
        return lines(rows)

    monkeypatch.setattr(blocks, "lines", counted)
    for _ in range(3):
        for name in NAMES:
            assert 'job_id="j1"' in get(exporter, f"/probe?account={name}").text
    assert len(rendered) == len(NAMES)


@pytest.mark.parametrize("path", ["/metrics", "/probe?account=prod"])
def test_an_answer_that_could_not_be_sent_whole_is_refused_with_a_remedy(
    exporter: Served, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was cut, with the status 200 and without a log line."""
    monkeypatch.setattr(targets, "MAX_UNREAD_BYTES", 2000)
    answer = requests.get(exporter.url + path, headers={"Accept-Encoding": "identity"}, timeout=10)
    assert answer.status_code == 503
    single = "scrape single accounts at /probe, or " if path == "/metrics" else ""
    remedies = f"send Accept-Encoding: gzip, or {single}lower series.max_jobs"
    assert re.fullmatch(rf"the metrics have [\d,]+ bytes, and a response may have 2,000; {remedies}\n", answer.text)
    monkeypatch.setattr(targets, "MAX_UNREAD_BYTES", 1_000_000)
    assert get(exporter, path).status_code == 200


def test_the_cache_of_a_removed_account_is_freed(exporter: Served, scraper: FakeScraper) -> None:
    assert get(exporter, "/probe?account=quiet").status_code == 200
    shown = scraper.shown.pop("quiet")
    assert get(exporter, "/probe?account=quiet").status_code == 404
    get(exporter, "/probe?account=prod")  # old versions of anyio keep the last call of a thread
    gc.collect()
    assert not [one for one in gc.get_referrers(shown.view.jobs[0]) if not isinstance(one, tuple)]


class SlowCollector(Collector):
    """Takes 0.3 s by a clock of its own."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def collect(self) -> Iterable[Metric]:
        self.now += 0.3
        return []


def test_the_next_refresh_ends_earlier_by_the_time_of_the_last_rendering(
    scraper: FakeScraper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most half of the time is reserved, however long the last rendering took."""
    clock = SlowCollector()
    for module in (targets, deadline):
        monkeypatch.setattr(module, "time", clock)
    target = Target(scraper, Own(others=clock), account="prod", scrapes_at_once=1)
    for seconds in (10.0, 10.0, 0.4):
        target.scrape(Headers(), Deadline.after(seconds))
    assert scraper.times == pytest.approx([10.0, 9.7, 0.2], abs=0.001)  # it has the job for which time is reserved


def test_many_new_jobs_are_rendered_as_far_as_the_time_allows(
    scraper: FakeScraper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: with 100,000 new jobs a deadline of 10 s slipped to 18 s. A few are rendered in any case."""
    monkeypatch.setattr("exporter.metrics.blocks._ALWAYS", 1)
    jobs = tuple(ShownJob(Job(f"j{number}", "HD", "Transcoding"), "t", "v") for number in range(500))
    scraper.shown["prod"] = replace(account("prod"), view=LedgerView(jobs=jobs))
    target = Target(scraper, Telemetry().whole, account="prod", scrapes_at_once=1)
    late, in_time = (bytes(target.scrape(Headers(), Deadline.after(seconds)).body) for seconds in (0.0, 600.0))
    shown = late.count(b"\nvod_transcode_job_status{")

    assert 0 < shown < 500
    assert f'vod_exporter_truncated_jobs{{account="prod"}} {500.0 - shown}\n'.encode() in late
    assert in_time.count(b"\nvod_transcode_job_status{") == 500


# -- /sd ---------------------------------------------------------------------------------------------------------------


def discovered(exporter: Served, *lines: str, version: str = "1.1") -> tuple[str, str]:
    """Status and body of the response to a request for /sd with these header lines."""
    head, _, body = exporter.talk(
        "".join(f"{line}\r\n" for line in (f"GET /sd HTTP/{version}", *lines, "Connection: close", ""))
    ).partition("\r\n\r\n")
    return head[9:12], body


def test_sd_lists_the_accounts_in_the_format_of_http_sd(exporter: Served) -> None:
    """The target is the address that the client used. The exposition has the label `account`, so /sd has not."""
    answer = get(exporter, "/sd")
    host = exporter.url.removeprefix("http://")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == [
        {
            "targets": [host],
            "labels": {"instance": f"{host}/{name}", "__metrics_path__": "/probe", "__param_account": name},
        }
        for name in NAMES
    ]


def test_sd_sets_the_scheme_only_for_https() -> None:
    (plain,), (secure,) = (target_groups(["prod"], host="h", scheme=scheme) for scheme in ("http", "https"))
    assert "__scheme__" not in cast("dict[str, str]", plain["labels"])
    assert cast("dict[str, str]", secure["labels"])["__scheme__"] == "https"


def test_sd_takes_the_address_from_the_host_header(exporter: Served) -> None:
    for host in (
        *("exporter", "exporter:10870", "vod_exporter:80", "vod-exporter.monitoring.svc.cluster.local.:65535"),
        *("127.0.0.1:1", "[::1]", "[::1]:10870", "[2001:DB8::10.0.0.1]:443", "EXPORTER:08080"),
    ):
        status, body = discovered(exporter, f"Host: {host}")
        assert (status, f'{{"targets": ["{host}"], "labels": {{"instance": "{host}/prod", ' in body) == ("200", True)


def test_sd_refuses_a_malformed_host_header(exporter: Served) -> None:
    for host in (
        *("", ":10870", "a b", "a,b", "a/b", "a?b", "user@host", "http://host", "host:", "host:http", "host:-1"),
        *("-host", "host:0", "host:65536", "host:99999999999", "::1", "[", "[]", "[::1", "[::1]x", "[fe80::1%25eth0]"),
        *('"', "{x}", "<script>", "x\xff", "\u0665:1".encode().decode("latin-1"), "x" * 254, "a:1:2"),
    ):
        status, body = discovered(exporter, f"Host: {host}")
        assert (status, "targets" in body) == ("400", False), host


def test_sd_without_one_host_header_is_400(exporter: Served) -> None:
    """HTTP/1.0 allows none. The server itself refuses two."""
    status, body = discovered(exporter, version="1.0")
    assert (status, "request http://HOST:PORT/sd" in body) == ("400", True)
    status, body = discovered(exporter, "Host: one", "Host: two")
    assert (status, "targets" in body) == ("400", False)
