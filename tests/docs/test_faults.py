"""docs/faults.md names a test for each fault, and each of these tests exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| (\d+) \| (.+) \| (.*) \|$", (ROOT / "docs" / "faults.md").read_text(), re.MULTILINE)
"""Rows that nothing holds yet."""


def named(cell: str) -> dict[str, list[str]]:
    """The names of the tests of a row, without `test_`, by their file."""
    return {
        file: re.findall(r"`(\w+)`", names) for file, names in re.findall(r"`([\w/]+\.py)`: ((?:`\w+`(?:, )?)+)", cell)
    }


def test_each_of_the_35_rows_has_a_test() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 36))
    assert {int(number) for number, _, cell in ROWS if not named(cell)} == set()


def test_each_named_test_exists() -> None:
    for number, _, cell in ROWS:
        for file, names in named(cell).items():
            found = set(re.findall(r"^def test_(\w+)\(", (ROOT / "tests" / file).read_text(), re.MULTILINE))
            assert set(names) <= found, f"row {number}: {file}"


def test_each_module_of_tests_faults_holds_a_row() -> None:
    known = {(file, name) for _, _, cell in ROWS for file, names in named(cell).items() for name in names}
    folder = ROOT / "tests" / "faults"
    modules = [path.relative_to(ROOT / "tests").as_posix() for path in folder.rglob("test_*.py")]
    assert {module for module in modules if module not in {file for file, _ in known}} == set()
