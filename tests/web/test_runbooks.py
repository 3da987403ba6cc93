"""The runbooks that the exporter serves."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
import yaml

from exporter.web.pages import HEADERS, REPOSITORY
from tests.web.conftest import FakeScraper, Served, ServeInterface
from tests.web.test_pages import Elements

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "docs" / "runbooks").glob("Vod*.md"))


@pytest.fixture
def exporter(serve_interface: ServeInterface) -> Served:
    return serve_interface(FakeScraper())


def shown(exporter: Served, path: str) -> Elements:
    answer = requests.get(exporter.url + path, timeout=10)
    assert answer.status_code == 200
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    return Elements(answer.text)


def test_every_alert_has_a_runbook_that_is_served_and_listed(exporter: Served) -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/vod-transcode.alerts.yml").read_text())
    alerts = sorted(rule["alert"] for group in rules["groups"] for rule in group["rules"])
    listed = shown(exporter, "/runbooks").links
    assert alerts == NAMES
    for name in NAMES:
        assert f"./runbooks/{name}" in listed
        assert f"{name} Severity:" in shown(exporter, f"/runbooks/{name}").text


def test_links_lead_to_pages_of_the_exporter_or_to_the_web(exporter: Served) -> None:
    """Between runbooks they stay here; other files of the repository are in the repository."""
    links = {link for name in NAMES for link in shown(exporter, f"/runbooks/{name}").links}
    assert {link for link in links if not link.startswith("https://")} <= {
        "../",
        "../runbooks",
        *map("../runbooks/{}".format, NAMES),
    }
    assert f"{REPOSITORY}/blob/main/docs/configuration.md" in links
    for link in links:
        if link.startswith(f"{REPOSITORY}/blob/main/"):
            assert (ROOT / link.removeprefix(f"{REPOSITORY}/blob/main/").partition("#")[0]).exists()


def test_tables_and_queries_are_readable(exporter: Served) -> None:
    page = shown(exporter, "/runbooks/VodJobsFailing")
    assert page.all("table")
    assert "sum by (account, definition, error_code)" in page.text
    assert "```" not in page.text


@pytest.mark.parametrize("name", ["VodNothing", "..%2f..%2fREADME", "README.md", "%2e%2e"])
def test_other_names_are_not_served(exporter: Served, name: str) -> None:
    assert requests.get(f"{exporter.url}/runbooks/{name}", timeout=10).status_code == 404
