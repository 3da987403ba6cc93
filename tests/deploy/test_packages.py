"""The wheel and the source distribution: what they carry, and that a second build has the same bytes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from exporter import __version__

ROOT = Path(__file__).parents[2]
COMMIT = re.compile(r"[0-9a-f]{40}(-dirty)?\n?")
pytestmark = pytest.mark.stack


def build(source: Path, folder: Path) -> dict[str, Path]:
    """Build both packages of a checkout, without the network. The keys are `whl` and `gz`."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return {path.name.rpartition(".")[2]: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files under version control, as they are now, in a repository with one commit."""
    copy = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)  # the Helm chart has links
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    for arguments in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *arguments], cwd=copy, check=True)
    return copy


@pytest.fixture(scope="module")
def packages(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(checkout, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def metadata(packages: dict[str, Path]) -> Message:
    with zipfile.ZipFile(packages["whl"]) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(wheel.read(name))


def test_a_second_build_of_the_same_commit_has_the_same_bytes(
    packages: dict[str, Path], checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also from another folder, with files that are newer."""
    copy = tmp_path_factory.mktemp("again") / "other"
    shutil.copytree(checkout, copy, copy_function=shutil.copy, symlinks=True)
    again = build(copy, tmp_path_factory.mktemp("dist"))
    for kind in ("whl", "gz"):
        assert again[kind].name == packages[kind].name
        assert again[kind].read_bytes() == packages[kind].read_bytes()


def test_a_wheel_from_the_source_distribution_is_the_same_wheel(
    packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(packages["gz"]) as archive:
        archive.extractall(folder, filter="data")
    again = build(next(folder.iterdir()), tmp_path_factory.mktemp("dist"))
    assert again["whl"].read_bytes() == packages["whl"].read_bytes()


def test_the_wheel_carries_the_files_that_users_get(packages: dict[str, Path]) -> None:
    with zipfile.ZipFile(packages["whl"]) as wheel:
        names = set(wheel.namelist())
        revision = wheel.read("exporter/share/revision").decode()
    share = "exporter/share"
    for path in (*ROOT.glob("docs/runbooks/*.md"), *ROOT.glob("grafana/dashboards/*.json")):
        assert f"{share}/{path.relative_to(ROOT)}" in names
    assert f"{share}/deploy/systemd/vod-transcode-exporter.service" in names
    assert f"{share}/deploy/config.example.yml" in names
    assert any(name.endswith("/share/man/man1/vod-transcode-exporter.1") for name in names)
    assert any(name.endswith("/share/bash-completion/completions/vod-transcode-exporter") for name in names)
    assert COMMIT.fullmatch(revision)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_links_of_the_readme_are_absolute_in_the_metadata(metadata: Message) -> None:
    """A package index shows the README, but has none of the files beside it."""
    text = str(metadata.get_payload())
    targets = re.findall(r"\]\(([^)]+)\)|(?:src|srcset)=\"([^\"]+)\"", text)
    flat = [one or other for one, other in targets]
    assert len(flat) > 20
    assert [target for target in flat if not target.startswith(("https://", "#"))] == []
    pictures = [target for target in flat if target.endswith(".png")]
    assert len(pictures) >= 3
    assert all(target.startswith("https://raw.githubusercontent.com/") for target in pictures)


def test_the_metadata_links_to_documents_source_changelog_and_issues(metadata: Message) -> None:
    urls = dict(value.split(", ", 1) for value in metadata.get_all("Project-URL", []))
    assert set(urls) == {"Documentation", "Source", "Changelog", "Issues"}
    assert urls["Changelog"].endswith("/CHANGELOG.md")


def test_the_installed_program_says_version_revision_and_python(packages: dict[str, Path], tmp_path: Path) -> None:
    """The wheel is unpacked beside this environment's libraries, because a test has no network to install them."""
    installed = tmp_path / "installed"
    with zipfile.ZipFile(packages["whl"]) as wheel:
        wheel.extractall(installed)
    code = (
        f"import sys; sys.path.insert(0, {str(installed)!r}); from exporter.command.cli import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    python = ".".join(map(str, sys.version_info[:3]))
    lines = done.stdout.splitlines()
    assert lines[0] == f"vod-transcode-exporter, version {__version__}"
    assert COMMIT.fullmatch(lines[1].removeprefix("  revision: "))
    assert lines[2].split() == ["python:", python]
    written = subprocess.run(
        [sys.executable, "-c", code, "write", "unit", "units"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert written.stdout == "written units/vod-transcode-exporter.service\n"
