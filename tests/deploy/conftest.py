"""The Helm chart, rendered."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "vod-transcode-exporter"
RELEASE = "vod"
Values = Mapping[str, Any]
Manifest = dict[str, Any]


class Refused(Exception):
    """The chart refused the values; the text is Helm's."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The objects that the chart makes of some values."""

    objects: tuple[Manifest, ...]

    @classmethod
    def of(cls, text: str) -> Rendered:
        return cls(tuple(filter(None, yaml.load_all(text, Loader=yaml.CSafeLoader))))

    def kinds(self) -> list[str]:
        return [manifest["kind"] for manifest in self.objects]

    def get(self, kind: str) -> Manifest:
        """The only object of this kind."""
        (found,) = [manifest for manifest in self.objects if manifest["kind"] == kind]
        return found

    def workload(self) -> Manifest:
        (found,) = [manifest for manifest in self.objects if manifest["kind"] in {"StatefulSet", "Deployment"}]
        return found

    def pod(self) -> Manifest:
        return dict(self.workload()["spec"]["template"]["spec"])

    def container(self) -> Manifest:
        (container,) = self.pod()["containers"]
        return dict(container)

    def secret(self, key: str) -> str:
        """The text of a key of the Secret."""
        return base64.b64decode(self.get("Secret")["data"][key]).decode()


@pytest.fixture(scope="session")
def helm_template(tool: Callable[[str], str]) -> Callable[[Values], str]:
    """The text that `helm template` prints for some values. Raises Refused."""
    helm = tool("helm")

    def render(values: Values) -> str:
        command = [helm, "template", RELEASE, str(CHART), "--namespace=monitoring", "--kube-version=1.30", "--values=-"]
        done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True)
        if done.returncode != 0:
            raise Refused(done.stderr)
        return done.stdout

    return render


@pytest.fixture(scope="session")
def render(helm_template: Callable[[Values], str]) -> Callable[..., Rendered]:
    """The objects that the chart makes of some values, given as keywords."""

    def rendered(**values: Any) -> Rendered:
        return Rendered.of(helm_template(values))

    return rendered
