"""The flags `--web.*`: the URLs and the prefix that they set."""

from __future__ import annotations

import pytest

from exporter.command import webflags
from exporter.command.flags import parse


@pytest.mark.parametrize(
    ("arguments", "external", "prefix"),
    [
        ([], None, ""),
        (["--web.external-url=https://proxy.example/"], "https://proxy.example", ""),
        (["--web.external-url=https://proxy.example/a/b/"], "https://proxy.example/a/b", "/a/b"),
        (["--web.external-url=https://proxy.example/a", "--web.route-prefix=/"], "https://proxy.example/a", ""),
        (["--web.external-url=https://proxy.example/a", "--web.route-prefix="], "https://proxy.example/a", "/a"),
        (["--web.external-url=https://proxy.example/a", "--web.route-prefix=b/"], "https://proxy.example/a", "/b"),
        (["--web.route-prefix=/vod"], None, "/vod"),
    ],
)
def test_the_prefix_is_by_default_the_path_of_the_external_url(
    arguments: list[str], external: str | None, prefix: str
) -> None:
    site = webflags.site(parse(arguments))
    assert (site.external_url, site.route_prefix) == (external, prefix)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--web.external-url=proxy.example", "this is not a URL; write for example https://proxy.example/vod"),
        ("--web.external-url=https://user:password@proxy.example", "leave out user name and password"),
        ("--web.external-url=https://proxy.example/?a", "its path must be a path of letters"),
        ("--web.external-url=https://proxy.example/%20", "its path must be a path of letters"),
        ("--web.external-url=https://proxy.example/a/../b", "its path must be a path of letters"),
        ("--web.route-prefix=/a b", "'/a b' must be a path of letters"),
        ("--web.route-prefix=/a//b", "'/a//b' must be a path of letters"),
        ("--web.route-prefix=..", "'..' must be a path of letters"),
    ],
)
def test_a_prefix_that_no_request_can_have_is_refused(
    flag: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse([flag])
    assert f"{flag.partition('=')[0]}: {message}" in capsys.readouterr().err
