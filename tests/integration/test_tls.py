"""Debian's Prometheus scrapes the exporter over TLS, with a password and with a client certificate."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest
import yaml

from tests.conftest import Simulators
from tests.integration.programs import running_exporter, wait_until
from tests.integration.test_prometheus import scraping, settings
from tests.websecurity.conftest import TLS, write

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parents[2] / "docs" / "web-configuration.md"
HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
WEB = {
    "password_file": f"{TLS}basic_auth_users:\n  prometheus: {HASH}\n",
    "cert_file": f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"
    "  client_allowed_sans: [prometheus.example]\n",
}


def documented(key: str) -> dict[str, object]:
    """The job of the documentation that has this key."""
    blocks = re.findall(r"```yaml\n(scrape_configs:.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = (block for block in blocks if key in block)
    (job,) = yaml.safe_load(block)["scrape_configs"]
    return dict(job)


@pytest.mark.parametrize("key", WEB)
def test_prometheus_scrapes_as_documented_and_without_its_key_it_cannot(
    tmp_path: Path, folder: Path, tool: Callable[[str], str], simulators: Simulators, key: str
) -> None:
    world = simulators(seed=1, tasks=4, history=60.0)
    web, job = write(folder, WEB[key]), documented(key)
    (folder / "prometheus.password").write_text("right\n")
    stranger = {name: value for name, value in job.items() if name != "basic_auth"}
    stranger |= {"job_name": "stranger", "tls_config": {"ca_file": "ca.crt"}}
    jobs = yaml.safe_dump({"scrape_configs": [job, stranger]})
    with (
        running_exporter(tmp_path, settings({"prod": world}), f"--web.config.file={web}") as exporter,
        scraping(tool("prometheus"), folder, exporter, jobs) as query,
    ):
        wait_until(lambda: len(query("up", "job")) == 2 and query("up", "job")[(str(job["job_name"]),)] == 1)
        assert query("up", "job") == {(str(job["job_name"]),): 1, ("stranger",): 0}
        wait_until(lambda: query("vod_up", "account") == {("prod",): 1})
