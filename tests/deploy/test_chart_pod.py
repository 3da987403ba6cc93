"""The exporter runs with the arguments and the Secret of the chart, and answers its probes and scrapes."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bcrypt
import pytest
import requests
import trustme

from tests.conftest import Simulators, reserved_port, wait_until
from tests.deploy.conftest import Manifest, Rendered

pytestmark = pytest.mark.stack

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


@pytest.fixture
def port() -> Iterator[int]:
    with reserved_port() as reserved:
        yield reserved


@pytest.fixture
def accounts(simulators: Simulators) -> Manifest:
    """The configuration of an account that a simulator serves."""
    keys = {"access_key_id": "simulator", "access_key_secret": "simulator"}
    return {"accounts": [{"name": "prod", "endpoint": simulators(tasks=1).url, "credentials": keys}]}


@contextmanager
def running(chart: Rendered, folder: Path, secrets: dict[str, str] | None = None) -> Iterator[None]:
    """Run the exporter as the pod does, with its mounts in a folder, until the startup probe succeeds.

    `secrets` are files that other Secrets have, by their path below the configuration.
    """
    container = chart.container()
    places = {mount["mountPath"]: folder / mount["name"] for mount in container["volumeMounts"]}

    def here(text: str) -> str:
        for place, mounted in places.items():
            text = text.replace(place, str(mounted))
        return text

    for mounted in places.values():
        mounted.mkdir()
    own = {key: base64.b64decode(text).decode() for key, text in chart.get("Secret")["data"].items()}
    for name, text in (own | (secrets or {})).items():
        path = places["/etc/vod-transcode-exporter"] / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(here(text))
        path.chmod(0o440)
    command = [sys.executable, "-m", "exporter", *map(here, container["args"])]
    with subprocess.Popen(command, cwd=folder) as process:
        try:
            wait_until(lambda: answers(container, "startupProbe"))
            yield
        finally:
            process.terminate()
    assert process.returncode == 0
    assert [path.name for path in places["/var/lib/vod-transcode-exporter"].iterdir()] == ["state.db"]


def answers(container: Manifest, probe: str) -> bool:
    """Whether the probe succeeds, asked as the kubelet does: without a password, and with any certificate."""
    asked = container[probe]["httpGet"]
    (port,) = [port["containerPort"] for port in container["ports"] if port["name"] == asked["port"]]
    try:
        url = f"{asked['scheme'].lower()}://127.0.0.1:{port}{asked['path']}"
        return requests.get(url, timeout=60, verify=False).status_code == 200
    except requests.ConnectionError:
        return False


def scraped_url(chart: Rendered, port: int) -> str:
    (endpoint,) = chart.get("PodMonitor")["spec"]["podMetricsEndpoints"]
    return f"{endpoint['scheme']}://127.0.0.1:{port}{endpoint['path']}"


def test_the_exporter_answers_the_probes_and_the_scrape_of_the_chart(
    render: Callable[..., Rendered], accounts: Manifest, port: int, tmp_path: Path
) -> None:
    web = {"port": port, "externalUrl": "https://proxy.example/vod"}
    chart = render(config=accounts, web=web, podMonitor={"enabled": True})
    with running(chart, tmp_path):
        assert [probe for probe in PROBES if not answers(chart.container(), probe)] == []
        url = scraped_url(chart, port)
        wait_until(lambda: 'vod_up{account="prod"} 1' in requests.get(url, timeout=60).text)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_with_tls_and_passwords_probes_need_none_and_scrapes_need_both(
    render: Callable[..., Rendered], accounts: Manifest, port: int, tmp_path: Path
) -> None:
    users = {"prometheus": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}
    web = {"port": port, "tlsSecret": "certificate", "config": {"basic_auth_users": users}}
    chart = render(config=accounts, web=web, podMonitor={"enabled": True})
    authority = trustme.CA()
    pair = authority.issue_cert("127.0.0.1")
    certificate = "".join(part.bytes().decode() for part in pair.cert_chain_pems)
    secrets = {"tls/tls.crt": certificate, "tls/tls.key": pair.private_key_pem.bytes().decode()}
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    with running(chart, tmp_path, secrets):
        assert [probe for probe in PROBES if not answers(chart.container(), probe)] == []
        url = scraped_url(chart, port)
        assert url.startswith("https:")
        assert requests.get(url, timeout=60, verify=str(trusted)).status_code == 401
        scraped = requests.get(url, timeout=60, verify=str(trusted), auth=("prometheus", "secret"))
        assert "vod_up" in scraped.text
