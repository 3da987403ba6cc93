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
        ("--web.config-file", "--web.config.file"),
        *((name, None) for name in ("--web.file", "--web", "--log.file", "--web.enable-admin-api", "-x")),
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


@pytest.mark.parametrize("command", [["task", "x"], ["tasks"], ["demo"], ["simulate"]], ids=lambda command: command[0])
def test_no_other_flag_is_suggested_in_place_of_the_web_configuration(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """--config.file has a similar name, and is for something else."""
    with pytest.raises(SystemExit):
        parse([*command, "--web.config.file=x"])
    assert "unknown flag '--web.config.file'; see" in capsys.readouterr().err


def test_each_listen_address_counts() -> None:
    args = parse(["--web.listen-address=127.0.0.1:9810", "--web.listen-address=[::1]:9810"])
    assert args.web_listen_address == ["127.0.0.1:9810", "[::1]:9810"]
    assert parse([]).web_listen_address is None


def test_a_socket_of_systemd_excludes_listen_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["--web.systemd-socket"]).web_systemd_socket
    with pytest.raises(SystemExit):
        parse(["--web.systemd-socket", "--web.listen-address=:9810"])
    assert "--web.listen-address: not allowed with argument --web.systemd-socket" in capsys.readouterr().err
