"""The workflows of GitHub: valid, with pinned actions, and nothing is published before all tests pass."""

from __future__ import annotations

import re
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def jobs(name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return dict(loaded["jobs"])


def steps(job: dict[str, Any], action: str) -> Iterator[dict[str, Any]]:
    """The inputs of each step that uses the action."""
    return (step["with"] for step in job["steps"] if step.get("uses", "").startswith(f"{action}@"))


@pytest.mark.parametrize(
    ("schema", "files"),
    [("github-workflows", WORKFLOWS), ("dependabot", [ROOT / ".github" / "dependabot.yml"])],
    ids=["workflows", "dependabot"],
)
def test_the_files_are_valid_by_their_schema(schema: str, files: list[Path]) -> None:
    command = [str(Path(sysconfig.get_path("scripts"), "check-jsonschema")), f"--builtin-schema=vendor.{schema}"]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_each_action_is_pinned_to_a_commit_and_names_its_version() -> None:
    used = [use for path in WORKFLOWS for use in re.findall(r"uses: (.*)", path.read_text())]
    assert len(used) > 10
    pinned = r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
    assert [use for use in used if not re.fullmatch(pinned, use) and not use.startswith("./")] == []


def test_ci_runs_all_tests_on_a_new_debian() -> None:
    tests = jobs("ci.yml")["tests"]
    assert tests["container"]["image"] == "debian:12"
    assert tests["steps"][-1]["run"] == "bash .ci/run"


def test_nothing_is_released_before_all_tests_pass() -> None:
    release = jobs("release.yml")
    assert release["ci"] == {"uses": "./.github/workflows/ci.yml"}
    assert (release["image"]["needs"], release["packages"]["needs"]) == ("ci", "image")
    assert release.keys() == {"ci", "image", "packages"}


def test_the_image_is_built_for_both_platforms_and_released_with_an_sbom() -> None:
    (tried,) = steps(jobs("ci.yml")["image"], "docker/build-push-action")
    (released,) = steps(jobs("release.yml")["image"], "docker/build-push-action")
    assert tried["platforms"] == released["platforms"] == "linux/amd64,linux/arm64"
    assert released["sbom"] is True
    assert released["push"] is True
    assert "push" not in tried
    dockerfile = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    arguments = set(re.findall(r"^(\w+)=", released["build-args"], re.MULTILINE))
    assert arguments == set(re.findall(r"^ARG (\w+)=$", dockerfile, re.MULTILINE))
