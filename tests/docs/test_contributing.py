"""Paths, make targets and links in the documents of the repository exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_each_path_in_contributing_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = re.findall(r"(?<![\w./])((?:exporter|tests|docs|deploy|\.ci)/[\w./-]*)", text)

    assert paths
    assert [path for path in paths if not (ROOT / path.rstrip(".")).exists()] == []


def test_each_function_named_in_contributing_exists() -> None:
    rows = (ROOT / "exporter" / "metrics" / "rows.py").read_text()

    assert "def job_rows(" in rows
    assert "def aggregate_rows(" in rows
    assert "def growth(" in (ROOT / "tests" / "conftest.py").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_make_target_in_a_document_exists(page: Path) -> None:
    assert set(re.findall(r"(?:`|^)make ([a-z]+)(?:`|$)", page.read_text(), re.MULTILINE)) <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_relative_link_in_a_document_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []
