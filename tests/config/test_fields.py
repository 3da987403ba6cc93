"""Names, regions, endpoints, URLs and paths: what is valid and what is a fault."""

from __future__ import annotations

import glob
import json
from pathlib import Path

import pytest

from exporter import config
from exporter.keys import Key
from tests.config.conftest import MINIMAL, faults, load


def test_a_folder_name_with_wildcards_is_not_a_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "[x]*"
    folder.mkdir()
    (folder / "a.yml").touch()
    (pattern,) = load(MINIMAL + "    track: {files: ['*.y?l']}\n", folder).accounts[0].track.files
    assert sorted(glob.glob(pattern)) == [f"{folder}/a.yml", f"{folder}/config.yml"]  # noqa: PTH207


@pytest.mark.parametrize(
    "url",
    [
        *("http://h", "https://h/", "https://h:1/callback/prod?x=%20&y=1#z", "HTTPS://H/", "https://u:p@h/", "//h/"),
        *("https:///x", "https://h/a b", "https://h/\u00a0", "ftp://h/", "https://?x", "https://h/\u200b", ""),
    ],
)
def test_a_callback_url_is_kept_exactly_or_refused(url: str, tmp_path: Path) -> None:
    good = url in ("http://h", "https://h/", "https://h:1/callback/prod?x=%20&y=1#z", "https://u:p@h/")
    text = MINIMAL + f"    callback: {{url: {json.dumps(url)}, key: x}}\n"
    if good:
        callback = load(text, tmp_path).accounts[0].callback
        assert callback
        assert callback.url == url
    else:
        (fault,) = faults(text, tmp_path)
        assert fault.startswith("4: accounts[0].callback.url: is not a URL; ")


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "id").write_text("an-id\n")
    text = MINIMAL + "    credentials: {access_key_id_file: id, access_key_secret: s}\n"
    (tmp_path / "etc" / "config.yml").write_text(text)
    monkeypatch.chdir(tmp_path)
    keys = config.load(Path("etc/config.yml"), environ={}).accounts[0].credentials
    assert keys
    assert keys.access_key_id_file == Key(tmp_path / "etc" / "id")


@pytest.mark.parametrize(
    "endpoint",
    [
        *("https://", "https:///", "ftp://canary", "HTTP//canary", "https://canary?k=v", "https://h#canary"),
        *("http://canary:0", "http://canary:65536", "http://canary h", "http://canary..h", "http://[canary]", ""),
    ],
)
def test_an_invalid_endpoint_is_refused_and_not_shown(endpoint: str, tmp_path: Path) -> None:
    (fault,) = faults(f"accounts:\n  - name: a\n    endpoint: '{endpoint}'\n", tmp_path)
    assert fault.startswith("3: accounts[0].endpoint: ")
    assert "canary" not in fault
