"""The exporter behind nginx, with the configuration that docs/deployment.md has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from tests.integration.programs import is_ready, reserved_address, running, running_exporter, wait_until

pytestmark = pytest.mark.stack

SECTION = re.search(
    r"^## Behind a proxy\n(.*?)^## ",
    (Path(__file__).parents[2] / "docs" / "deployment.md").read_text(),
    re.DOTALL | re.MULTILINE,
)
NGINX = """\
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address};
        {location}
    }}
}}
"""


@pytest.fixture(scope="module", params=["the prefix stays", "the prefix is removed"])
def behind_nginx(
    request: pytest.FixtureRequest, tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The external URL of an exporter behind nginx. The location is the one of the documents, with its second form."""
    nginx, folder = tool("nginx"), tmp_path_factory.mktemp("proxy")
    assert SECTION is not None
    documented = re.search(r"^```nginx\n(.*?)^```", SECTION[1], re.DOTALL | re.MULTILINE)
    assert documented is not None
    removes = request.param == "the prefix is removed"
    with reserved_address() as address:
        external = f"http://{address}/vod"
        flags = [f"--web.external-url={external}", *(["--web.route-prefix=/"] if removes else [])]
        account = {"name": "prod", "endpoint": "http://127.0.0.1:9", "track": {"discovery": {"enabled": False}}}
        keys = {"access_key_id": "id", "access_key_secret": "secret"}
        with running_exporter(folder, {"accounts": [{**account, "credentials": keys}]}, *flags) as exporter:
            target = f"{exporter}/" if removes else exporter
            location = documented[1].replace("http://exporter:10870", target)
            assert target in location
            (folder / "nginx.conf").write_text(NGINX.format(folder=folder, address=address, location=location))
            with running([nginx, "-c", str(folder / "nginx.conf")], folder, "nginx.log"):
                wait_until(lambda: is_ready(f"{address}/vod"))
                yield external


def test_each_link_of_the_status_page_leads_to_a_page(behind_nginx: str) -> None:
    page = requests.get(f"{behind_nginx}/", timeout=60)
    links = {link for link in re.findall(r'(?:href|src|action)="([^"#]+)"', page.text) if "//" not in link}
    assert len(links) >= 3
    for link in links:
        answer = requests.get(urljoin(page.url, link), timeout=60)
        assert answer.status_code == 200, link
        assert answer.url.startswith(f"{behind_nginx}/"), link


def test_targets_of_sd_lead_through_the_proxy(behind_nginx: str) -> None:
    (group,) = requests.get(f"{behind_nginx}/sd", timeout=60).json()
    labels = group["labels"]
    url = f"http://{group['targets'][0]}{labels['__metrics_path__']}"
    answer = requests.get(url, params={"account": labels["__param_account"]}, timeout=60)
    assert answer.status_code == 200
    assert 'account="prod"' in answer.text


def test_metrics_and_health_are_below_the_prefix_and_nothing_else_is_open(behind_nginx: str) -> None:
    root = behind_nginx.removesuffix("/vod")
    assert "vod_exporter_build_info" in requests.get(f"{behind_nginx}/metrics", timeout=60).text
    assert requests.get(f"{behind_nginx}/-/healthy", timeout=60).status_code == 200
    assert requests.get(f"{root}/metrics", timeout=60).status_code == 404
