"""`tasks` reaches an exporter with TLS, client certificates and passwords, and says what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import pytest

from exporter.command import running
from exporter.command.access import OPEN, Access
from exporter.errors import ConfigError, UnreachableError
from exporter.metrics.telemetry import Telemetry
from exporter.web.app import Interface
from exporter.web.guard import Guard
from exporter.websecurity.current import WebConfig
from tests.command.conftest import Run
from tests.web.conftest import FakeScraper, Served, up
from tests.websecurity.conftest import TLS, write

HASH = bcrypt.hashpw("p\N{LATIN SMALL LETTER A WITH DIAERESIS}ss word".encode(), bcrypt.gensalt(4)).decode()
USERS = f"basic_auth_users:\n  alice: {HASH}\n"
CLIENTS = f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"
Start = Callable[[str], str]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts an exporter with this web configuration. Returns the port of its metrics and their path."""
    started: list[Served] = []

    def run(text: str) -> str:
        web = WebConfig(write(folder, text))
        interface = Interface(FakeScraper(up("prod")), Telemetry(), timeout=10.0, offset=0.5)
        started.append(Served(interface.app(guard=Guard(web)), interface.crowd, web))
        return started[0].url.removeprefix("http://") + "/metrics"

    yield run
    for served in started:
        served.close()


@pytest.fixture
def pem(folder: Path) -> Path:
    """The certificate and the key of a client in one file."""
    path = folder / "client.pem"
    path.write_bytes((folder / "client.crt").read_bytes() + (folder / "client.key").read_bytes())
    return path


def password(folder: Path, text: str) -> Path:
    path = folder / "password"
    path.write_text(text, encoding="utf-8")
    return path


RIGHT = "p\N{LATIN SMALL LETTER A WITH DIAERESIS}ss word\n"


def test_a_password_is_read_from_a_file(start: Start, folder: Path) -> None:
    address = start(USERS)
    access = Access(user="alice", password_file=password(folder, RIGHT))
    assert running.read(f"http://{address}", access).jobs == []
    access = Access(user="alice", password_file=password(folder, "wrong"))
    for unknown in (OPEN, access):
        with pytest.raises(UnreachableError, match=r"needs a user: HTTP 401; give --user and --password-file"):
            running.read(f"http://{address}", unknown)


def test_an_exporter_with_tls_needs_its_ca_and_https(start: Start, folder: Path) -> None:
    address = start(TLS)
    assert running.read(f"https://{address}", Access(ca_file=folder / "ca.crt")).jobs == []
    for ca_file in (None, folder / "other-ca.crt"):
        with pytest.raises(UnreachableError, match="TLS failed; name its CA with --ca-file"):
            running.read(f"https://{address}", Access(ca_file=ca_file))
    with pytest.raises(UnreachableError, match="has TLS; write https:// in --url"):
        running.read(f"http://{address}")


def test_a_client_certificate_is_shown(start: Start, folder: Path, pem: Path) -> None:
    address = start(CLIENTS)
    assert running.read(f"https://{address}", Access(ca_file=folder / "ca.crt", client_cert=pem)).jobs == []
    with pytest.raises(UnreachableError, match="no exporter at https"):
        running.read(f"https://{address}", Access(ca_file=folder / "ca.crt"))


@pytest.mark.parametrize("access", [Access(ca_file=Path("none.crt")), Access(client_cert=Path("none.pem"))])
def test_a_file_that_does_not_exist_is_named_by_its_flag(start: Start, access: Access) -> None:
    address = start(TLS)
    with pytest.raises(UnreachableError, match="--ca-file or --client-cert names a file that does not exist"):
        running.read(f"https://{address}", access)


def test_a_password_that_cannot_be_read_is_an_error_of_its_flag(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"--password-file: .*none cannot be read \(No such file"):
        running.read("http://127.0.0.1:1/metrics", Access(user="alice", password_file=folder / "none"))


@pytest.mark.parametrize("flag", ["--user=alice", "--password-file=x"])
def test_user_and_password_belong_together(run: Run, flag: str) -> None:
    status, _, err = run("tasks", flag)
    assert (status, "--user and --password-file belong together; give both or neither" in err) == (1, True)


def test_the_command_prints_the_jobs_of_a_protected_exporter(start: Start, run: Run, folder: Path) -> None:
    address = start(TLS + USERS)
    flags = [f"--ca-file={folder / 'ca.crt'}", "--user=alice", f"--password-file={password(folder, RIGHT)}"]
    assert run("tasks", f"--url=https://{address}", *flags) == (0, "nothing runs\n", "")


def test_check_config_also_checks_the_web_configuration(run: Run, folder: Path) -> None:
    config = folder / "exporter.yml"
    config.write_text("accounts: [{name: prod, region: cn-shanghai}]\nstate: {memory: true}\n")
    web = write(folder, TLS + USERS)
    status, out, _ = run("check-config", str(config), f"--web.config.file={web}")
    assert (status, out.splitlines()[1]) == (0, f"{web}: valid; HTTPS, 1 user")
    write(folder, "accounts: []\n")
    status, _, err = run("check-config", str(config), f"--web.config.file={web}")
    assert status == 1
    assert f"{web}:1: accounts: is an unknown key; known keys: tls_server_config" in err
    assert "did you mean" not in err


def test_a_wrong_web_configuration_stops_the_start_before_a_port_is_opened(run: Run, folder: Path) -> None:
    config = folder / "exporter.yml"
    config.write_text("accounts: [{name: prod, region: cn-shanghai}]\nstate: {memory: true}\n")
    status, out, err = run(f"--config.file={config}", f"--web.config.file={folder / 'none.yml'}")
    assert (status, out) == (1, "")
    assert f"{folder / 'none.yml'}:1: cannot be read (No such file or directory)" in err
    assert "did you mean" not in err


def test_check_config_reports_the_faults_of_both_files(run: Run, tmp_path: Path) -> None:
    config, web = tmp_path / "exporter.yml", tmp_path / "web.yml"
    config.write_text("acounts: []\n")
    web.write_text("basic_auth_users: {alice: plain}\n")
    status, out, err = run("check-config", str(config), f"--web.config.file={web}")
    assert (status, out) == (1, "")
    assert f"{config}:1: acounts:" in err
    assert f"{web}:1: basic_auth_users.alice: is not a bcrypt hash" in err
