"""Completions and the man page: made from the flags, and understood by real shells."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "shell"
PROGRAM = "vod-transcode-exporter"


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="later versions of argparse format usage in another way")
def test_files_are_what_make_shell_writes(tmp_path: Path) -> None:
    before = {path.name: path.read_text() for path in FOLDER.iterdir() if path.suffix != ".py" and path.is_file()}
    code = "import json, deploy.shell.__main__ as made; print(json.dumps(made.texts()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == before


def completed(*words: str) -> set[str]:
    """What bash offers for the last of these words."""
    script = f"""
source {FOLDER}/{PROGRAM}.bash
COMP_WORDS=({PROGRAM} {" ".join(f"'{word}'" for word in words)})
COMP_CWORD={len(words)}
COMP_LINE="${{COMP_WORDS[*]}}"
COMP_POINT=${{#COMP_LINE}}
$(complete -p {PROGRAM} | sed -E 's/.*-F ([^ ]+).*/\\1/') {PROGRAM} '{words[-1]}' ''
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_bash_completes_commands_flags_and_choices() -> None:
    assert {"run", "demo", "check-config", "write"} <= completed("")
    assert completed("che") == {"check-config"}
    assert completed("--config") == {"--config.file"}
    assert completed("check-config", "--onl") == {"--online"}
    assert completed("demo", "--scenario", "") >= {"steady", "burst"}
    assert completed("write", "da") == {"dashboards"}


def test_bash_completes_files(tmp_path: Path) -> None:
    (tmp_path / "prod.yml").write_text("")
    assert completed("--config.file", f"{tmp_path}/pr") == {f"{tmp_path}/prod.yml"}


def test_zsh_can_read_its_completion(tool: Callable[[str], str]) -> None:
    done = subprocess.run([tool("zsh"), "-n", str(FOLDER / f"_{PROGRAM}")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_man_page_is_valid_and_has_each_command(tool: Callable[[str], str]) -> None:
    page = str(FOLDER / f"{PROGRAM}.1")
    lint = subprocess.run([tool("mandoc"), "-Tlint", "-Werror", page], capture_output=True, text=True)
    assert (lint.returncode, lint.stdout) == (0, "")
    text = Path(page).read_text().replace("\\-", "-")
    for command in ("run", "demo", "simulate", "check-config", "task", "tasks", "write"):
        assert f"COMMAND \\fI\\,'{PROGRAM} {command}'" in text
