"""Flags are parsed into the values that the commands use."""

from __future__ import annotations

import pytest

from exporter.command.flags import parse


@pytest.mark.parametrize("arguments", [[], ["run"], ["--log.level=debug"]])
def test_run_is_the_command_if_none_is_named(arguments: list[str]) -> None:
    assert parse(arguments).command == "run"


def test_seed_and_speed_become_numbers() -> None:
    args = parse(["simulate", "--seed=7", "--speed=2.5", "--tasks=3"])
    assert (args.seed, args.speed, args.tasks) == (7, 2.5, 3)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("--config-file", "--config.file"),
        ("--config", "--config.file"),
        ("--log.lvl", "--log.level"),
        ("--Log.Level", "--log.level"),
        ("--web.listenaddress", "--web.listen-address"),
        ("--web.listen", "--web.listen-address"),
        *((name, None) for name in ("--web.config.file", "--web", "--log.file", "--web.enable-admin-api", "-x")),
    ],
)
def test_only_a_flag_that_does_the_same_is_suggested(
    written: str, meant: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse([f"{written}=x"])
    hint = f"; did you mean {meant}?" if meant else ""
    message = f"vod-transcode-exporter: unknown flag '{written}'{hint}; see vod-transcode-exporter run --help\n"
    assert capsys.readouterr().err == message
