"""The Helm chart: what its values do to the objects that it makes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import exporter
from exporter.command.flags import parse
from exporter.command.webflags import site
from exporter.config import load
from exporter.websecurity.settings import load as load_web
from tests.deploy.conftest import CHART, Refused, Rendered

pytestmark = pytest.mark.stack

Render = Callable[..., Rendered]
ROOT = Path(__file__).parents[2]
POSTGRES = {"existingSecret": "database"}
TLS = {"tls_server_config": {"cert_file": "server.crt", "key_file": "server.key"}}


def test_helm_lint_finds_no_fault(tool: Callable[[str], str]) -> None:
    done = subprocess.run([tool("helm"), "lint", "--strict", str(CHART)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


def test_chart_and_exporter_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == exporter.__version__


def test_the_readme_is_what_helm_docs_makes_of_the_values(tool: Callable[[str], str]) -> None:
    command = [tool("helm-docs"), "--dry-run", f"--chart-search-root={CHART}", "--sort-values-order=file"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (CHART / "README.md").read_text().strip(), "run `make chart`"


def test_by_default_the_state_is_on_a_volume_of_a_statefulset(render: Render) -> None:
    chart = render()
    assert sorted(chart.kinds()) == ["Secret", "Service", "ServiceAccount", "StatefulSet"]
    (claim,) = chart.workload()["spec"]["volumeClaimTemplates"]
    mounts = {mount["name"]: mount["mountPath"] for mount in chart.container()["volumeMounts"]}
    state = Path(yaml.safe_load(chart.secret("vod-transcode-exporter.yml"))["state"]["path"])
    assert str(state.parent) == mounts[claim["metadata"]["name"]]


def test_an_existing_claim_is_mounted_instead_of_a_new_one(render: Render) -> None:
    chart = render(persistence={"existingClaim": "old"})
    assert {"name": "state", "persistentVolumeClaim": {"claimName": "old"}} in chart.pod()["volumes"]
    assert "volumeClaimTemplates" not in chart.workload()["spec"]


def test_with_postgresql_it_is_a_deployment_without_a_volume(render: Render) -> None:
    chart = render(postgres=POSTGRES, replicas=3)
    assert chart.workload()["kind"] == "Deployment"
    assert chart.workload()["spec"]["replicas"] == 3
    assert [volume["name"] for volume in chart.pod()["volumes"]] == ["config"]
    dsn = yaml.safe_load(chart.secret("vod-transcode-exporter.yml"))["state"]["postgres"]["dsn_file"]
    (path,) = [
        item["path"]
        for source in chart.pod()["volumes"][0]["projected"]["sources"]
        for item in source["secret"]["items"]
        if source["secret"]["name"] == "database"
    ]
    assert dsn == f"/etc/vod-transcode-exporter/{path}"


def test_replicas_have_the_name_of_their_pod_unless_the_configuration_has_another(render: Render) -> None:
    def replica(**state: object) -> object:
        config = {"accounts": [{"name": "live", "region": "cn-beijing"}], "state": state}
        chart = render(postgres=POSTGRES, config=config)
        return yaml.safe_load(chart.secret("vod-transcode-exporter.yml"))["state"]["replica"]

    assert replica() == replica(lease="30s") == "${POD_NAME}"
    assert replica(replica="a") == "a"
    assert "replica" not in yaml.safe_load(render().secret("vod-transcode-exporter.yml"))["state"]


def test_replicas_are_spread_and_one_may_be_away(render: Render) -> None:
    chart = render(postgres=POSTGRES, replicas=2)
    spread = chart.pod()["topologySpreadConstraints"]
    assert {part["topologyKey"] for part in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    labels = chart.workload()["spec"]["selector"]["matchLabels"]
    assert all(part["labelSelector"]["matchLabels"] == labels for part in spread)
    budget = chart.get("PodDisruptionBudget")["spec"]
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": labels}}
    own = [{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}]
    assert render(postgres=POSTGRES, topologySpreadConstraints=own).pod()["topologySpreadConstraints"] == own
    assert "topologySpreadConstraints" not in render().pod()


@pytest.mark.parametrize("kind", ["PodMonitor", "ServiceMonitor"])
def test_with_replicas_the_series_of_an_account_have_a_constant_instance(render: Render, kind: str) -> None:
    """As in the example for Prometheus. The relabeling of targets has removed `pod`."""

    def endpoint(**values: Any) -> dict[str, Any]:
        chart = render(**{kind[0].lower() + kind[1:]: {"enabled": True}}, **values)
        spec = chart.get(kind)["spec"]
        (found,) = spec.get("podMetricsEndpoints") or spec["endpoints"]
        return dict(found)

    example = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    (rule, _) = example["scrape_configs"][0]["metric_relabel_configs"]
    own = {"action": "drop", "sourceLabels": ["__name__"], "regex": "python_.+"}
    constant = {"sourceLabels": rule["source_labels"], "regex": rule["regex"], "targetLabel": rule["target_label"]}
    constant["replacement"] = "vod-vod-transcode-exporter"
    found = endpoint(postgres=POSTGRES, monitor={"metricRelabelings": [own]})
    assert found["metricRelabelings"] == [constant, own]
    assert {"action": "labeldrop", "regex": "pod|container|endpoint|service"} in found["relabelings"]
    assert endpoint(monitor={"metricRelabelings": [own]})["metricRelabelings"] == [own]
    assert "metricRelabelings" not in endpoint()


def test_more_than_one_replica_on_a_file_is_refused(render: Render) -> None:
    with pytest.raises(
        Refused, match=r"replicas is 2, but the state is a file.* Set replicas to 1, or keep the state in"
    ):
        render(replicas=2)
    assert render(replicas=0).workload()["spec"]["replicas"] == 0


@pytest.mark.parametrize(
    ("timeout", "interval"), [("31s", "30s"), ("1m1s", "1m"), ("1501ms", "1s500ms"), ("1h", "59m59s")]
)
def test_a_scrape_timeout_over_the_interval_is_refused(render: Render, timeout: str, interval: str) -> None:
    with pytest.raises(Refused, match=rf"scrapeTimeout \({timeout}\) is longer than monitor.interval \({interval}\)"):
        render(monitor={"scrapeTimeout": timeout, "interval": interval})


def test_a_scrape_timeout_as_long_as_the_interval_is_accepted(render: Render) -> None:
    assert render(monitor={"scrapeTimeout": "60s", "interval": "1m"}).objects


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}, "scraped twice"),
        ({"web": {"existingSecret": "web", "config": TLS}}, "web.config and web.tlsSecret have no effect"),
        ({"replica": 1}, "additional properties 'replica' not allowed"),
        ({"monitor": {"interval": "30"}}, "does not match pattern"),
        ({"monitor": {"job": "vod"}}, "does not match pattern"),
        ({"web": {"port": 70000}}, "maximum"),
        ({"image": {"digest": "latest"}}, "does not match pattern"),
        ({"terminationGracePeriodSeconds": 0}, "minimum"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_values_that_cannot_work_are_refused(render: Render, values: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        render(**values)


def test_the_schema_has_each_value_and_no_other() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    properties = json.loads((CHART / "values.schema.json").read_text())["properties"]
    assert properties.keys() - {"global"} == values.keys()
    for name, part in properties.items():
        if part.get("additionalProperties") is False:
            assert part["properties"].keys() == values[name].keys(), name


def test_the_exporter_takes_the_arguments_and_the_configuration(render: Render, tmp_path: Path) -> None:
    chart = render(config={"accounts": [{"name": "live", "region": "ap-southeast-1"}]}, web={"port": 9000})
    options = parse(chart.container()["args"])
    assert ":9000" in str(options.web_listen_address)
    (source,) = chart.pod()["volumes"][0]["projected"]["sources"]
    mount = chart.container()["volumeMounts"][0]["mountPath"]
    assert f"{mount}/{source['secret']['items'][0]['path']}" == str(options.config_file)
    path = tmp_path / "config.yml"
    path.write_text(chart.secret("vod-transcode-exporter.yml"))
    assert [account.name for account in load(path).accounts] == ["live"]


def test_an_existing_secret_replaces_the_one_of_the_chart(render: Render) -> None:
    chart = render(existingSecret="mine")
    assert "Secret" not in chart.kinds()
    assert chart.pod()["volumes"][0]["projected"]["sources"][0]["secret"]["name"] == "mine"


def test_a_change_of_the_configuration_restarts_the_pods(render: Render) -> None:
    def checksum(**values: Any) -> str:
        template = render(**values).workload()["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum(podLabels={"team": "video"})
    assert checksum() != checksum(config={"accounts": [{"name": "other", "region": "cn-beijing"}]})
    assert checksum() != checksum(web={"config": TLS})


@pytest.mark.parametrize(
    ("web", "scheme"),
    [
        ({}, "HTTP"),
        ({"config": {"basic_auth_users": {"prometheus": "hash"}}}, "HTTP"),
        ({"config": TLS}, "HTTPS"),
        ({"tlsSecret": "certificate"}, "HTTPS"),
        ({"existingSecret": "web", "scheme": "https"}, "HTTPS"),
    ],
)
def test_probes_and_monitors_follow_the_scheme(render: Render, web: dict[str, Any], scheme: str) -> None:
    chart = render(web=web, podMonitor={"enabled": True})
    container = chart.container()
    paths = {
        probe: container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe", "startupProbe")
    }
    assert paths == {"livenessProbe": "/-/healthy", "readinessProbe": "/-/ready", "startupProbe": "/-/healthy"}
    assert {container[probe]["httpGet"]["scheme"] for probe in paths} == {scheme}
    assert chart.get("PodMonitor")["spec"]["podMetricsEndpoints"][0]["scheme"] == scheme.lower()
    assert ("--web.config.file=/etc/vod-transcode-exporter/web.yml" in container["args"]) == bool(web)


def test_where_clients_need_a_certificate_probes_ask_for_the_port(render: Render) -> None:
    tls = TLS["tls_server_config"] | {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.crt"}
    container = render(web={"config": {"tls_server_config": tls}}).container()
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        assert container[probe]["tcpSocket"] == {"port": "metrics"}
        assert "httpGet" not in container[probe]


def test_a_certificate_from_a_secret_is_in_the_web_configuration(render: Render, tmp_path: Path) -> None:
    chart = render(web={"tlsSecret": "certificate", "config": {"tls_server_config": {"min_version": "TLS13"}}})
    path = tmp_path / "web.yml"
    path.write_text(chart.secret("web.yml"))
    tls = load_web(path).settings.tls_server_config
    assert tls is not None
    mounted = {
        f"/etc/vod-transcode-exporter/{item['path']}"
        for source in chart.pod()["volumes"][0]["projected"]["sources"]
        for item in source["secret"]["items"]
    }
    assert {str(tls.cert_file), str(tls.key_file)} <= mounted
    assert tls.min_version == "TLS13"


def test_all_paths_follow_the_route_prefix(render: Render) -> None:
    for web in ({"externalUrl": "https://example.org/vod/"}, {"routePrefix": "/vod"}):
        chart = render(web=web, serviceMonitor={"enabled": True})
        assert chart.container()["livenessProbe"]["httpGet"]["path"] == "/vod/-/healthy"
        assert chart.get("ServiceMonitor")["spec"]["endpoints"][0]["path"] == "/vod/metrics"
        assert site(parse(chart.container()["args"])).route_prefix.rstrip("/") == "/vod"


@pytest.mark.parametrize(
    ("value", "kind", "key"),
    [
        ("podMonitor", "PodMonitor", "podMetricsEndpoints"),
        ("serviceMonitor", "ServiceMonitor", "endpoints"),
    ],
)
def test_a_monitor_finds_the_pods_under_a_job_of_the_alerts(render: Render, value: str, kind: str, key: str) -> None:
    chart = render(**{value: {"enabled": True, "labels": {"release": "prometheus"}}})
    monitor = chart.get(kind)
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    labels = (chart.workload()["spec"]["template"] if value == "podMonitor" else chart.get("Service"))["metadata"][
        "labels"
    ]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (endpoint,) = monitor["spec"][key]
    ports = chart.container()["ports"] if value == "podMonitor" else chart.get("Service")["spec"]["ports"]
    assert endpoint["port"] in [port["name"] for port in ports]
    replaced = {rule["targetLabel"]: rule for rule in endpoint["relabelings"] if "targetLabel" in rule}
    alerts = (ROOT / "deploy" / "prometheus" / "vod-transcode.alerts.yml").read_text()
    selectors = set(re.findall(r'up\{job=~"(.+?)"\}', alerts))
    assert selectors
    assert all(re.fullmatch(selector, replaced["job"]["replacement"]) for selector in selectors)
    assert replaced["instance"]["sourceLabels"] == ["__meta_kubernetes_pod_name"]


def test_the_monitor_has_the_intervals_of_the_example_for_prometheus(render: Render) -> None:
    example = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["global"]
    (endpoint,) = render(podMonitor={"enabled": True}).get("PodMonitor")["spec"]["podMetricsEndpoints"]
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == (example["scrape_interval"], example["scrape_timeout"])


def test_the_rules_are_those_of_this_repository(render: Render) -> None:
    files = [ROOT / "deploy" / "prometheus" / f"vod-transcode.{name}.yml" for name in ("rules", "alerts")]
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    assert render(prometheusRule={"enabled": True}).get("PrometheusRule")["spec"]["groups"] == groups


def test_the_dashboards_are_those_of_this_repository(render: Render) -> None:
    maps = [manifest for manifest in render(dashboards={"enabled": True}).objects if manifest["kind"] == "ConfigMap"]
    dashboards = {name: text for manifest in maps for name, text in manifest["data"].items()}
    here = {path.name: path.read_text() for path in (ROOT / "grafana" / "dashboards").glob("*.json")}
    assert {name: json.loads(text) for name, text in dashboards.items()} == {
        name: json.loads(text) for name, text in here.items()
    }
    assert len(maps) == len(here)
    assert all(manifest["metadata"]["labels"]["grafana_dashboard"] == "1" for manifest in maps)


def test_the_token_of_the_service_account_is_mounted_only_for_rrsa(render: Render) -> None:
    assert render().pod()["automountServiceAccountToken"] is False
    chart = render(rrsa={"role": "vod-reader"})
    assert chart.pod()["automountServiceAccountToken"] is True
    annotations = chart.get("ServiceAccount")["metadata"]["annotations"]
    assert annotations == {"pod-identity.alibabacloud.com/role-name": "vod-reader"}


def test_the_network_policy_lets_prometheus_in_and_vod_out(render: Render) -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]
    policy = render(networkPolicy={"enabled": True, "from": peers}).get("NetworkPolicy")["spec"]
    assert policy["ingress"] == [{"ports": [{"port": "metrics", "protocol": "TCP"}], "from": peers}]
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 443}
    shared = render(networkPolicy={"enabled": True}, postgres=POSTGRES).get("NetworkPolicy")["spec"]
    assert {port["port"] for rule in shared["egress"] for port in rule["ports"]} == {53, 443, 5432}


def test_extra_manifests_are_mappings_or_templates(render: Render) -> None:
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}}
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-text'}"
    maps = [manifest for manifest in render(extraManifests=[plain, text]).objects if manifest["kind"] == "ConfigMap"]
    assert [manifest["metadata"]["name"] for manifest in maps] == ["plain", "vod-text"]


def test_the_image_is_of_this_version_unless_a_tag_or_digest_is_set(render: Render) -> None:
    repository = "ghcr.io/vod-transcode-exporter/vod-transcode-exporter"
    assert render().container()["image"] == f"{repository}:{exporter.__version__}"
    digest = f"sha256:{'0' * 64}"
    assert render(image={"digest": digest, "tag": "1"}).container()["image"] == f"{repository}@{digest}"
