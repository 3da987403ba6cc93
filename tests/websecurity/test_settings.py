"""The web configuration file: which files load, and which faults others have."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from exporter.errors import ConfigError
from exporter.websecurity.current import WebConfig
from tests.websecurity.conftest import DATA

BAD = sorted(DATA.glob("*.bad.yml"))
GOOD = sorted(DATA.glob("*.good.yml"))


def name(path: Path) -> str:
    return path.name.split(".")[0]


def test_each_bad_file_is_refused_with_exactly_the_faults_that_it_expects(folder: Path) -> None:
    """The file starts with `# expect: LINE: ...` lines: these are all its faults, in order."""
    for path in BAD:
        copied = Path(shutil.copy(path, folder))
        expected = re.findall(r"^# expect: (.*)$", path.read_text(), re.MULTILINE)
        with pytest.raises(ConfigError) as caught:
            WebConfig(copied)
        assert [fault.removeprefix(f"{copied}:") for fault in caught.value.faults] == expected, path.name
        assert expected, path.name
        assert "CANARY" not in str(caught.value), path.name


@pytest.mark.parametrize("path", GOOD, ids=name)
def test_each_good_file_is_used(path: Path, folder: Path) -> None:
    web = WebConfig(Path(shutil.copy(path, folder)))
    assert web.check().refuses is False
