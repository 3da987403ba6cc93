"""The help of the commands: what it names, and how it is wrapped."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from exporter.command import help as texts
from tests.command.conftest import COMMANDS, Run, terminal


def test_lines_of_a_paragraph_are_joined_and_indented_lines_stay() -> None:
    assert texts.wrapped("one two\nthree\n\n  four\n  five\n", 80) == "one two three\n\n  four\n  five\n"


def test_a_paragraph_is_wrapped_and_words_with_hyphens_are_not_broken() -> None:
    assert texts.wrapped("check the check-config command", 20) == "check the\ncheck-config command\n"


def test_a_line_with_columns_continues_under_its_last_column() -> None:
    assert texts.wrapped("  run   serve the metrics", 20) == "  run   serve the\n        metrics\n"


def test_a_line_whose_last_column_is_far_right_continues_after_four_spaces() -> None:
    assert texts.wrapped("  a-long-command  does this", 20) == "  a-long-command\n    does this\n"


@pytest.mark.parametrize(("columns", "expected"), [("10", 20), ("40", 38), ("100", 98), ("300", texts.MAX_WIDTH)])
def test_width_follows_the_terminal_within_bounds(monkeypatch: pytest.MonkeyPatch, columns: str, expected: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert texts.width() == expected


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 300])
def test_help_fits_the_width_of_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for arguments in (["--help"], *([command, "--help"] for command in COMMANDS)):
        status, out, err = run(*arguments)
        assert (status, err) == (0, "")
        assert max(map(len, out.splitlines())) <= min(columns, 100), arguments
        assert out.count("\n\n\n") == 0


@pytest.mark.slow
def test_help_asks_the_terminal_for_its_width() -> None:
    environ = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    for columns in (50, 72):
        with terminal(columns) as there:
            command = [sys.executable, "-m", "exporter", "check-config", "--help"]
            subprocess.run(command, stdout=there.theirs, check=True, env=environ, timeout=30)
            lines = there.read(lambda seen: "prod.yml" in seen).splitlines()
        assert columns - 12 < max(map(len, lines)) <= columns


def test_help_names_every_command_and_how_to_start(run: Run) -> None:
    _, out, _ = run("--help")
    for word in (*COMMANDS, "--version", "vod-transcode-exporter demo", "--config.file=FILE"):
        assert word in out
    assert run("-h")[1] == out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "run",
            [
                *("--config.file", "--web.listen-address", ":10870", "--web.telemetry-path", "--web.enable-lifecycle"),
                *("--web.grafana-url", "https://grafana.example/grafana", "default: no links"),
                *("scrape_configs", "/probe?account=NAME", "/sd", "SIGTERM", "SIGHUP", "POST /-/reload"),
            ],
        ),
        ("demo", ["--web.listen-address", "127.0.0.1:10870", "no account", "--speed"]),
        ("simulate", ["127.0.0.1:10871", "/simulator/truth", "secret `simulator`", "--scenario", "--seed", "--tasks"]),
        (
            "check-config",
            [
                *("FILE", "every fault with file, line and key", "exit status 1", "--online", "not granted"),
                *("vod:GetVideoList", "over 10 seconds", "where the exporter will run", "Warnings leave"),
            ],
        ),
        (
            "tasks",
            [
                *("--url", "--watch", "--json", "running exporter", "series.per_job", "exit status is 1"),
                *("this machine at port 10870, or the one at --url", "calls nothing else"),
            ],
        ),
        (
            "task",
            [
                *("ID...", "TranscodeTaskId", "--json", "base units", "--account", "task --config.file=prod.yml"),
                *("calls VOD, not the exporter", "https://vod.REGION.aliyuncs.com", "`endpoint`"),
            ],
        ),
    ],
)
def test_help_of_a_command_names_its_flags_and_paths(run: Run, command: str, words: list[str]) -> None:
    _, out, _ = run(command, "--help")
    text = " ".join(out.split())  # without line breaks
    for word in [*words, "--log.level", "--log.format"]:
        assert word in text
    for line in out.splitlines():
        assert not line.strip().startswith("--") or len(line.split()) > 1
