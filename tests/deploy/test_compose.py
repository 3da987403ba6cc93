"""The compose file: valid, made of the files of this repository, and on the simulator until keys are given."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.config import load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
FILE = FOLDER / "compose.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
KEYS = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret"}


def interpolated(text: str, variables: dict[str, str]) -> str:
    """The text with ${NAME:-default} and ${NAME:+if set} replaced, as compose does."""
    text = re.sub(r"\$\{(\w+):-(.*?)\}", lambda match: variables.get(match[1]) or match[2], text)
    return re.sub(r"\$\{(\w+):\+(.*?)\}", lambda match: match[2] if variables.get(match[1]) else "", text)


def mounts(service: str, variables: dict[str, str]) -> dict[str, Path]:
    """Where a service sees which files of the repository."""
    volumes = [interpolated(volume, variables).split(":") for volume in SERVICES[service].get("volumes", ())]
    return {volume[1]: (FOLDER / volume[0]).resolve() for volume in volumes if volume[0].startswith(".")}


def exporter_config(variables: dict[str, str]) -> Path:
    flag = "--config.file="
    (path,) = [part.removeprefix(flag) for part in SERVICES["exporter"]["command"] if part.startswith(flag)]
    return mounts("exporter", variables)[path]


def test_the_file_is_valid_by_the_schema_of_the_compose_specification() -> None:
    command = [str(Path(sysconfig.get_path("scripts"), "check-jsonschema")), "--builtin-schema=vendor.compose-spec"]
    done = subprocess.run([*command, str(FILE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_each_file_that_a_service_sees_is_in_the_repository() -> None:
    seen = [path for keys in ({}, KEYS) for service in SERVICES for path in mounts(service, keys).values()]
    assert len(seen) > 12
    assert [path for path in seen if not path.exists()] == []


def test_without_keys_the_exporter_reads_the_simulator() -> None:
    (account,) = load(exporter_config({})).accounts
    assert account.endpoint == "http://simulator:10871"
    assert SERVICES["simulator"]["command"] == ["simulate", "--listen=:10871"]


def test_with_keys_the_exporter_reads_vod_and_keeps_another_state(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in SERVICES["exporter"]["environment"].items():
        monkeypatch.setenv(name, interpolated(text, KEYS))
    settings = load(exporter_config(KEYS))
    (account,) = settings.accounts
    assert (account.name, account.region, account.endpoint) == ("vod", "cn-shanghai", None)
    assert account.credentials is not None
    assert settings.state.path != load(exporter_config({})).state.path


def test_prometheus_differs_from_the_example_in_targets_and_replicas(
    tool: Callable[[str], str], tmp_path: Path
) -> None:
    here, example = (
        yaml.safe_load((FOLDER / path).read_text()) for path in ("prometheus.yml", "../prometheus/prometheus.yml")
    )
    assert here["scrape_configs"][0].pop("static_configs") == [{"targets": ["exporter:10870"]}]
    assert here.pop("alerting") == {"alertmanagers": [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]}
    example["scrape_configs"][0].pop("static_configs")
    del example["scrape_configs"][0]["metric_relabel_configs"]  # for replicas: here is one exporter
    del example["alerting"]
    assert here == example


@pytest.mark.slow
def test_promtool_takes_the_files_that_prometheus_sees(tool: Callable[[str], str], tmp_path: Path) -> None:
    for place, path in mounts("prometheus", {}).items():
        shutil.copy(path, tmp_path / Path(place).name)
    done = subprocess.run(
        [tool("promtool"), "check", "config", str(tmp_path / "prometheus.yml")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "2 rule files found" in done.stdout


def test_grafana_gets_what_its_provisioning_files_ask_for() -> None:
    provisioning = "".join(path.read_text() for path in (ROOT / "grafana" / "provisioning").rglob("*.yml"))
    asked = set(re.findall(r": \$([A-Z]\w+)", provisioning))
    environment = SERVICES["grafana"]["environment"]
    assert asked <= environment.keys()
    assert mounts("grafana", {})[environment["VOD_DASHBOARDS"]] == ROOT / "grafana" / "dashboards"


def test_services_are_restricted_and_published_to_this_machine_only() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
