"""docs/architecture.md names every module and every folder, and nothing that is not there."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
PACKAGES = sorted(path.parent.name for path in (ROOT / "exporter").glob("*/__init__.py"))


def described(package: str) -> set[str]:
    """The modules that the paragraph of the package names, without those of other folders."""
    paragraph = re.search(rf"^\*\*`exporter/{package}/`\*\*(.*?)(?:\n\n|\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert paragraph is not None
    return set(re.findall(r"`([a-z_]+)`", paragraph[1]))


def test_the_paragraph_of_a_package_names_each_of_its_modules() -> None:
    for package in PACKAGES:
        modules = {path.stem for path in (ROOT / "exporter" / package).rglob("*.py")} - {"__init__", "__main__"}

        assert modules - described(package) == set()


def test_the_paragraph_of_a_package_names_no_module_that_is_gone() -> None:
    for package in PACKAGES:
        modules = {path.stem for path in (ROOT / "exporter").rglob("*.py")}
        commands = {"run", "write", "prometheus_client"}

        assert described(package) - modules - commands == set()


def test_modules_beside_the_packages_are_named() -> None:
    modules = {path.name for path in (ROOT / "exporter").glob("*.py")} - {"__init__.py", "__main__.py"}

    assert {name for name in modules if f"`{name}`" not in TEXT and f"`exporter/{name}`" not in TEXT} == set()


def test_each_folder_of_the_repository_is_named() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    folders = {path.split("/")[0] for path in tracked if "/" in path}

    assert {folder for folder in folders if f"`{folder}/`" not in TEXT and not folder.startswith(".")} == {"exporter"}


def test_the_floors_are_those_that_the_import_contract_holds() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    held = [{name.strip() for name in layer.split("|")} for layer in contract["layers"]]
    rows = re.findall(r"^\| (`[^|]+) \| [^|]+ \|$", TEXT.partition("## Modules")[0], re.MULTILINE)
    named = [{Path(name).stem for name in re.findall(r"`([^`]+)`", row)} for row in rows]

    assert held[0] == {"__main__"}
    assert named == held[1:]
