"""The values of flags: what is taken, and the message for other values."""

from __future__ import annotations

import pytest

from exporter.command.flags import parse


@pytest.mark.parametrize("speed", ["0", "-1", "inf", "nan", "1e3", "9" * 400])
def test_speed_must_be_a_number_above_zero(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["simulate", f"--speed={speed}"])
    assert (ended.value.code, "must be a number above 0" in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize(
    ("written", "level"),
    [("WARN", "warn"), ("Warning", "warn"), ("INFO", "info"), ("Debug", "debug"), ("error", "error")],
)
def test_levels_and_formats_are_taken_in_any_case(written: str, level: str) -> None:
    args = parse([f"--log.level={written}", "--log.format=JSON"])
    assert (args.log_level, args.log_format) == (level, "json")


@pytest.mark.parametrize("task_id", ["", " ", "a b", "a\nb", "x" * 129])
def test_an_id_that_vod_cannot_have_is_refused(task_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Today an empty id costs a call, and VOD answers MissingParameter."""
    with pytest.raises(SystemExit) as ended:
        parse(["task", "abc", task_id])
    assert (ended.value.code, "is not an id of VOD" in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize("path", ["/-/metrics", "/api/x", "/callback/x", "metrics", "/"])
def test_path_of_metrics_must_be_free(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([f"--web.telemetry-path={path}"])
    assert (ended.value.code, "path such as /metrics" in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize("url", ["https://grafana.example", "http://[::1]:3000", "https://host/grafana/", None])
def test_the_url_of_grafana_may_have_a_path(url: str | None) -> None:
    arguments = [f"--web.grafana-url={url}"] if url else []
    assert parse(arguments).web_grafana_url == (url and url.rstrip("/"))


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        *(
            (url, "not a URL")
            for url in ("", "grafana", "//host", "ftp://host", "https://", "http://[", "http://h:99999")
        ),
        *((url, "not a URL") for url in ("javascript:alert(1)", "https://a b", "https://h/\nx", 'https://h/"x')),
        ("https://admin:s3cret@host", "leave out user name and password"),
        *((f"https://host/{more}", "the address of Grafana alone") for more in ("?orgId=1", "#x", "d/vod-job/job")),
    ],
)
def test_a_wrong_url_of_grafana_is_refused_at_the_start(
    url: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([f"--web.grafana-url={url}"])
    message = capsys.readouterr().err
    assert (ended.value.code, message.count("\n")) == (2, 1)
    assert message.startswith("vod-transcode-exporter: argument --web.grafana-url: ")
    assert remedy in message
    assert "s3cret" not in message


@pytest.mark.parametrize("url", ["http://[", "http://h:99999", "localhost:10870"])
def test_a_wrong_url_of_an_exporter_is_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["tasks", f"--url={url}"])
    assert "argument --url: this is not a URL; write for example http://localhost:10870" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://h:1", "http://h:1/metrics"),
        ("http://h:1/", "http://h:1/metrics"),
        ("https://h/vod/", "https://h/vod/metrics"),
        ("https://h/vod/metrics", "https://h/vod/metrics"),
    ],
)
def test_tasks_takes_the_url_of_an_exporter_or_of_its_metrics(given: str, url: str) -> None:
    assert parse(["tasks", f"--url={given}"]).url == url
