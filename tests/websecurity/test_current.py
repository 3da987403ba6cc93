"""Changed files hold at once. What breaks while the exporter runs refuses requests, and never lets more in."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.errors import ConfigError
from exporter.websecurity import current
from exporter.websecurity.current import WebConfig
from tests.certificates import client_context
from tests.websecurity.conftest import TLS, handshake, write

CLIENTS = f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"
USERS = "basic_auth_users:\n  alice: $2y$04$zFagq7uesUhm6GJdZVY90uBFBuDwbbgCJArzgFFSwtA1ypVovrvPC\n"


def replace(path: Path, content: bytes) -> None:
    """Write the file anew and rename it, so that it has another inode and is never half there."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.rename(path)


def served_certificate(web: WebConfig, folder: Path) -> bytes:
    made = web.check().context
    assert made is not None
    return handshake(made, client_context(folder, "client"))[1].getpeercert(binary_form=True) or b""


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def details(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(str(vars(record)) for record in caplog.records)


def test_a_file_that_cannot_be_used_at_the_start_is_an_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"web\.yml:1: cannot be read \(No such file"):
        WebConfig(folder / "web.yml")


def test_unchanged_files_are_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web = WebConfig(write(folder, CLIENTS))
    before = web.check()
    monkeypatch.setattr(current, "load", None)
    assert web.check() is before


def test_a_new_pair_is_served_from_the_next_handshake_on(folder: Path) -> None:
    web = WebConfig(write(folder, CLIENTS))
    assert served_certificate(web, folder) == der(folder / "server.crt")
    replace(folder / "server.crt", (folder / "other.crt").read_bytes())
    replace(folder / "server.key", (folder / "other.key").read_bytes())
    assert served_certificate(web, folder) == der(folder / "other.crt")


def test_while_a_pair_is_half_copied_the_last_good_one_goes_on(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    web = WebConfig(write(folder, CLIENTS))
    good = der(folder / "server.crt")
    replace(folder / "server.crt", (folder / "other.crt").read_bytes())
    for _ in range(3):
        assert served_certificate(web, folder) == good
        assert not web.check().refuses
    assert errors(caplog) == ["the certificate cannot be used, so the last good one stays in use"]
    assert "does not belong to the certificate" in details(caplog)
    replace(folder / "server.key", (folder / "other.key").read_bytes())
    assert served_certificate(web, folder) == der(folder / "other.crt")
    assert len(errors(caplog)) == 1


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nMIIB"])
def test_a_pair_that_is_just_written_does_not_stop_the_exporter(folder: Path, content: bytes) -> None:
    web = WebConfig(write(folder, CLIENTS))
    good = der(folder / "server.crt")
    replace(folder / "server.crt", content)
    assert served_certificate(web, folder) == good
    (folder / "server.key").unlink()
    assert served_certificate(web, folder) == good


BROKEN: dict[str, Callable[[Path], object]] = {
    "no YAML": lambda folder: write(folder, "tls_server_config: ["),
    "empty": lambda folder: write(folder, ""),
    "cut off after TLS": lambda folder: write(folder, "tls_server_config:\n"),
    "without TLS": lambda folder: write(folder, USERS),
    "gone": lambda folder: (folder / "web.yml").unlink(),
    "CA gone": lambda folder: (folder / "ca.crt").unlink(),
    "CA empty": lambda folder: replace(folder / "ca.crt", b""),
    "CA damaged": lambda folder: replace(folder / "ca.crt", b"-----BEGIN CERTIFICATE-----\nAAAA\n"),
}


SANS = f"{CLIENTS}  client_allowed_sans: [alice]\n"


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        (
            f"rate_limit: {{interval: 1s, burst: 1}}\n{USERS}",
            "rate_limit: {interval: 1s, burst: 1}\n",
            "basic_auth_users",
        ),
        (TLS + USERS, TLS, "basic_auth_users"),
        (CLIENTS, TLS, "client_auth_type"),
        (SANS, CLIENTS, "client_allowed_sans"),
        (TLS + USERS, USERS, "tls_server_config"),
    ],
    ids=["users alone", "users", "client certificates", "names of clients", "TLS"],
)
def test_a_file_that_is_cut_before_a_protection_does_not_open_the_exporter(
    folder: Path, caplog: pytest.LogCaptureFixture, before: str, after: str, gone: str
) -> None:
    """It is valid YAML, so only the missing key shows that somebody is writing it."""
    web = WebConfig(write(folder, before))
    write(folder, after)
    assert web.check().refuses
    assert web.check().refuses
    assert f"{gone} is gone; add it, or restart the exporter" in details(caplog)
    write(folder, before)
    assert not web.check().refuses


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_or_ca_that_breaks_refuses_requests_with_one_line_in_the_log(
    folder: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    caplog.set_level(logging.INFO)
    text, ca = CLIENTS + USERS, (folder / "ca.crt").read_bytes()
    web = WebConfig(write(folder, text))
    BROKEN[how](folder)
    assert [web.check().refuses for _ in range(3)] == [True] * 3
    assert web.check().settings.basic_auth_users
    assert errors(caplog) == ["the web configuration cannot be used, so requests are refused"]
    write(folder, text)
    replace(folder / "ca.crt", ca)
    assert not web.check().refuses
    assert [record.getMessage() for record in caplog.records][1:] == ["the web configuration is in use again"]


def test_a_disk_that_comes_back_with_the_same_file_is_noticed(folder: Path, hanging_files: set[str]) -> None:
    path = write(folder, CLIENTS)
    web = WebConfig(path)
    hanging_files.add(str(path))
    assert web.check().refuses
    hanging_files.clear()
    assert not web.check().refuses


def test_tls_can_be_turned_on_while_the_exporter_runs(folder: Path) -> None:
    web = WebConfig(write(folder, USERS))
    assert web.check().context is None
    write(folder, USERS + TLS)
    assert web.check().context is not None


def test_new_users_hold_at_once(folder: Path) -> None:
    web = WebConfig(write(folder, USERS))
    write(folder, USERS + USERS.splitlines()[1].replace("alice", "bob") + "\n")
    assert list(web.check().settings.basic_auth_users) == ["alice", "bob"]


def test_a_link_that_is_changed_to_another_folder_is_noticed(folder: Path) -> None:
    """So Kubernetes replaces the files of a mounted secret."""
    for name, pair in (("one", "server"), ("two", "other")):
        (folder / name).mkdir()
        for kind in ("crt", "key"):
            (folder / name / f"tls.{kind}").write_bytes((folder / f"{pair}.{kind}").read_bytes())
    (folder / "data").symlink_to("one")
    web = WebConfig(write(folder, CLIENTS.replace("server.", "data/tls.")))
    assert served_certificate(web, folder) == der(folder / "server.crt")
    (folder / "new").symlink_to("two")
    (folder / "new").rename(folder / "data")
    assert served_certificate(web, folder) == der(folder / "other.crt")


def test_requests_at_the_same_time_share_a_check(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web = WebConfig(write(folder, CLIENTS))
    checked: list[int] = []
    check = web.check

    def noted() -> object:
        checked.append(1)
        return check()

    async def run() -> None:
        await asyncio.gather(*(web.now() for _ in range(50)))
        await web.now()

    monkeypatch.setattr(web, "check", noted)
    asyncio.run(run())
    assert len(checked) == 2


def test_a_request_that_is_cancelled_does_not_cancel_the_check_of_others(folder: Path) -> None:
    web = WebConfig(write(folder, CLIENTS))

    async def run() -> bool:
        first, second = asyncio.create_task(web.now()), asyncio.create_task(web.now())
        await asyncio.sleep(0)
        first.cancel()
        return (await second).refuses

    assert asyncio.run(run()) is False


def test_a_key_reaches_neither_the_log_nor_a_description(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    web = WebConfig(write(folder, CLIENTS + USERS))
    os.truncate(folder / "server.crt", 40)
    web.check()
    shown = f"{details(caplog)} {web._pair!r} {web._file!r} {web.check()!r}"
    secret = (folder / "server.key").read_text().splitlines()[1]
    assert secret not in shown
    assert "zFagq7uesUhm6GJdZVY90u" not in shown
