"""Every combination of the chart's main values makes objects that Kubernetes accepts, and restricted pods."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import Rendered, Values

pytestmark = pytest.mark.stack

CRDS = Path(__file__).parents[2] / ".ci" / "tools" / "crds"
KUBERNETES = ("1.25", "1.30")  # the oldest for the chart, and the newest that kubectl-validate has schemas of
TLS = {"cert_file": "server.crt", "key_file": "server.key"}
STATES: dict[str, Values] = {
    "volume": {},
    "claim": {"persistence": {"existingClaim": "old"}},
    "nothing": {"persistence": {"enabled": False}},
    "secret": {"existingSecret": "mine"},
    "postgres": {"replicas": 3, "postgres": {"existingSecret": "database"}},
}
WEBS: dict[str, Values] = {
    "http": {},
    "https": {"tlsSecret": "tls", "config": {"basic_auth_users": {"prometheus": "hash"}}},
    "mutual": {"config": {"tls_server_config": TLS | {"client_auth_type": "RequireAndVerifyClientCert"}}},
    "prefix": {"externalUrl": "https://example.org/vod/", "existingSecret": "web", "scheme": "https"},
}
SCRAPES: dict[str, Values] = {
    "by nothing": {},
    "by pod": {"podMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "by service": {"serviceMonitor": {"enabled": True}, "service": {"type": "NodePort", "annotations": {"a": "b"}}},
}
MORE: Values = {
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboards": {"enabled": True, "namespace": "grafana"},
    "networkPolicy": {"enabled": True, "from": [{"podSelector": {}}], "extraEgress": [{"ports": [{"port": 3128}]}]},
    "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"},
    "rrsa": {"role": "vod-reader"},
    "image": {"digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "commonLabels": {"team": "video"},
    "podLabels": {"tier": "monitoring"},
    "podAnnotations": {"note": "1"},
    "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "envFrom": [{"secretRef": {"name": "vod-keys"}}],
    "extraArgs": ["--log.format=json"],
    "extraVolumes": [{"name": "keys", "secret": {"secretName": "keys"}}],
    "extraVolumeMounts": [{"name": "keys", "mountPath": "/keys"}],
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "priorityClassName": "high",
    "monitor": {
        "interval": "1m",
        "basicAuth": {"username": {"name": "scrape", "key": "user"}, "password": {"name": "scrape", "key": "password"}},
        "tlsConfig": {"serverName": "exporter", "ca": {"secret": {"name": "tls", "key": "ca.crt"}}},
        "relabelings": [{"targetLabel": "cluster", "replacement": "a"}],
        "metricRelabelings": [{"action": "labeldrop", "regex": "x"}],
    },
    "extraManifests": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra"}}],
}


def combinations() -> dict[str, Values]:
    """State, web and scraping in every combination; every second one also has all other values."""
    made: dict[str, Values] = {}
    product = itertools.product(STATES.items(), WEBS.items(), SCRAPES.items())
    for number, ((state, stored), (web, served), (scrape, scraped)) in enumerate(product):
        made[f"{state}, {web}, {scrape}"] = {**(MORE if number % 2 else {}), **stored, "web": served, **scraped}
    return made


def faults_of_pod(chart: Rendered) -> list[str]:
    """What the Pod Security Standard "restricted", or a promise of the chart, does not allow."""
    pod, container = chart.pod(), chart.container()
    inside: dict[str, Any] = container["securityContext"]
    fine = {
        "runAsNonRoot": pod["securityContext"]["runAsNonRoot"] is True,
        "runAsUser": pod["securityContext"]["runAsUser"] == 65532,
        "seccompProfile": pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"},
        "allowPrivilegeEscalation": inside["allowPrivilegeEscalation"] is False,
        "capabilities": inside["capabilities"] == {"drop": ["ALL"]},
        "readOnlyRootFilesystem": inside["readOnlyRootFilesystem"] is True,
        "volumes": all(
            volume.keys() & {"projected", "secret", "emptyDir", "persistentVolumeClaim"} for volume in pod["volumes"]
        ),
        "host": not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"} and "hostPort" not in container["ports"][0],
        "terminationGracePeriodSeconds": pod["terminationGracePeriodSeconds"] == 30,
    }
    return [name for name, holds in fine.items() if not holds]


def test_every_combination_is_restricted_and_accepted_by_kubernetes_and_the_operator(
    helm_template: Callable[[Values], str], tool: Callable[[str], str], tmp_path: Path
) -> None:
    """By the schemas of Kubernetes in kubectl-validate, and the definitions of the Prometheus Operator's own module."""
    validate = tool("kubectl-validate")
    with ThreadPoolExecutor(2) as threads:
        values = combinations()
        for number, (name, text) in enumerate(zip(values, threads.map(helm_template, values.values()), strict=True)):
            (tmp_path / f"{number}.yaml").write_text(text)
            chart = Rendered.of(text)
            assert faults_of_pod(chart) == [], name
            assert chart.workload()["kind"] == ("Deployment" if name.startswith("postgres") else "StatefulSet"), name
            names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in chart.objects]
            assert len(names) == len(set(names)), name
    for version in KUBERNETES:
        command = [validate, f"--version={version}", f"--local-crds={CRDS}", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, [line for line in (done.stdout + done.stderr).splitlines() if "OK" not in line]
