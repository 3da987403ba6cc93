"""The exporter runs with the arguments and the Secret of the chart, and answers its probes and scrapes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.conftest import Simulators, reserved_port, wait_until
from tests.deploy.conftest import Manifest, Rendered

pytestmark = pytest.mark.stack


@pytest.fixture
def port() -> Iterator[int]:
    with reserved_port() as reserved:
        yield reserved


def answers(container: Manifest, probe: str) -> bool:
    """Whether the probe of the container succeeds, asked as the kubelet does: from this machine, without a password."""
    asked = container[probe]["httpGet"]
    (port,) = [port["containerPort"] for port in container["ports"] if port["name"] == asked["port"]]
    try:
        url = f"{asked['scheme'].lower()}://127.0.0.1:{port}{asked['path']}"
        return requests.get(url, timeout=60).status_code == 200
    except requests.ConnectionError:
        return False


def test_the_exporter_answers_the_probes_and_the_scrape_of_the_chart(
    render: Callable[..., Rendered], simulators: Simulators, port: int, tmp_path: Path
) -> None:
    simulator = simulators()
    keys = {"access_key_id": "simulator", "access_key_secret": "simulator"}
    chart = render(
        config={"accounts": [{"name": "prod", "endpoint": simulator.url, "credentials": keys}]},
        web={"port": port, "externalUrl": "https://proxy.example/vod"},
        podMonitor={"enabled": True},
    )
    container = chart.container()
    places = {mount["mountPath"]: tmp_path / mount["name"] for mount in container["volumeMounts"]}

    def here(text: str) -> str:
        """The text with folders of the test in place of those that the pod mounts."""
        for place, folder in places.items():
            folder.mkdir(exist_ok=True)
            text = text.replace(place, str(folder))
        return text

    name = "vod-transcode-exporter.yml"
    Path(here(f"/etc/vod-transcode-exporter/{name}")).write_text(here(chart.secret(name)))
    command = [sys.executable, "-m", "exporter", *map(here, container["args"])]
    with subprocess.Popen(command, cwd=tmp_path) as process:
        try:
            wait_until(lambda: answers(container, "startupProbe"))
            assert answers(container, "livenessProbe")
            assert answers(container, "readinessProbe")
            (endpoint,) = chart.get("PodMonitor")["spec"]["podMetricsEndpoints"]
            url = f"{endpoint['scheme']}://127.0.0.1:{port}{endpoint['path']}"
            wait_until(lambda: 'vod_up{account="prod"} 1' in requests.get(url, timeout=60).text)
        finally:
            process.terminate()
    assert process.returncode == 0
    assert [path.name for path in places["/var/lib/vod-transcode-exporter"].iterdir()] == ["state.db"]
