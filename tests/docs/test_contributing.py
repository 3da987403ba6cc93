"""Commands in CONTRIBUTING.md, and paths, make targets and links in the documents exist."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[2]
PAGES = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def commands() -> list[str]:
    """Every line of a code block, and every inline code that starts a program."""
    blocks = re.findall(r"^```sh\n(.*?)^```", CONTRIBUTING, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`((?:[A-Z_]+=\S+ )*(?:make|\.venv/bin|\.ci)[ /][^`]+)`", CONTRIBUTING)
    return list(dict.fromkeys([line for block in blocks for line in block.splitlines()] + inline))


def test_each_command_in_contributing_exists() -> None:
    """The commands are not run. A command of pytest must select tests, and its variables must be known."""
    for command in commands():
        words = shlex.split(command)
        while "=" in words[0]:
            assert_variable_is_known(*words.pop(0).split("="))
        match words:
            case ["make", target]:
                assert target in TARGETS, command
            case [".venv/bin/pytest", path, *selected]:
                assert selected_tests(ROOT / path, *selected), command
            case [".venv/bin/python", "-m", module, ">", file]:
                assert importlib.util.find_spec(f"{module}.__main__"), command
                assert (ROOT / file).exists(), command
            case [script]:
                assert os.access(ROOT / script, os.X_OK), command
            case _:
                pytest.fail(f"this test cannot check {command}")


def assert_variable_is_known(name: str, value: str) -> None:
    if name == "HYPOTHESIS_PROFILE":
        settings.get_profile(value)
    else:
        assert any(f'"{name}"' in path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))


def selected_tests(path: Path, flag: str = "-k", word: str = "") -> list[str]:
    """The tests in a file or folder whose names contain the word after `-k`."""
    assert flag == "-k"
    files = [path] if path.is_file() else list(path.rglob("test_*.py"))
    names = [name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)]
    return [name for name in names if word in name]


def test_each_path_in_contributing_exists() -> None:
    paths = re.findall(r"(?<![\w./])((?:exporter|tests|docs|deploy|\.ci)/[\w./-]*)", CONTRIBUTING)

    assert paths
    assert [path for path in paths if not (ROOT / path.rstrip(".")).exists()] == []


def test_each_function_named_in_contributing_exists() -> None:
    rows = (ROOT / "exporter" / "metrics" / "rows.py").read_text()

    assert "def job_rows(" in rows
    assert "def aggregate_rows(" in rows
    assert "def growth(" in (ROOT / "tests" / "conftest.py").read_text()


def test_each_make_target_in_a_document_exists() -> None:
    for page in PAGES:
        named = set(re.findall(r"(?:`|^)make ([a-z]+)(?:`|$)", page.read_text(), re.MULTILINE))
        assert named <= TARGETS, page


def test_each_relative_link_in_a_document_leads_to_a_file() -> None:
    for page in PAGES:
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        assert [link for link in links if not (page.parent / link).exists()] == [], page


def dry_run(tool: Callable[[str], str], *arguments: str) -> list[str]:
    """The commands that make would start."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of `make test`
    command = [tool("make"), "--dry-run", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.splitlines()


@pytest.mark.parametrize(("stack", "flags"), [("STACK=1", ["--stack"]), ("STACK=0", []), ("STACK=", [])])
def test_make_demo_starts_the_stack_on_request(tool: Callable[[str], str], stack: str, flags: list[str]) -> None:
    lines = dry_run(tool, "demo", stack, "VENV=/nowhere")
    assert lines[1].startswith(f'echo "Python {platform.python_version()} in {sys.base_prefix}: making /nowhere')
    assert lines[-1].split() == ["/nowhere/bin/vod-transcode-exporter", "demo", *flags]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment of this Python that is newer than pyproject.toml, with all targets made."""
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    for name in ("demo", "dev"):
        (folder / name).touch()
    return folder


def test_make_keeps_the_environment_while_its_python_stays(tool: Callable[[str], str], environment: Path) -> None:
    lines = dry_run(tool, "lint", f"VENV={environment}", f"PYTHON={sys.executable}")
    assert not [line for line in lines if "-m venv" in line]


def test_make_makes_the_environment_anew_with_another_python(
    tool: Callable[[str], str], environment: Path, tmp_path: Path
) -> None:
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho 3.99.0 in /other\n")
    other.chmod(0o755)
    lines = dry_run(tool, "lint", f"VENV={environment}", f"PYTHON={other}")
    assert f"{other} -m venv --clear {environment}" in lines
