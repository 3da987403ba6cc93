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


@pytest.mark.parametrize("speed", ["0", "-1", "inf", "nan", "1e3", "9" * 400])
def test_speed_must_be_a_number_above_zero(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["simulate", f"--speed={speed}"])
    assert (ended.value.code, "must be a number above 0" in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize("path", ["/-/metrics", "/api/x", "/callback/x", "metrics", "/"])
def test_path_of_metrics_must_be_free(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([f"--web.telemetry-path={path}"])
    assert (ended.value.code, "path such as /metrics" in capsys.readouterr().err) == (2, True)
