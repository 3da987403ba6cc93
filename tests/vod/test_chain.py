"""The official provider chain: its providers against files, servers and the environment, and what its errors say."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from exporter.errors import CredentialsError
from exporter.vod import chain
from exporter.vod.chain import ProviderChain
from exporter.vod.credentials import Credentials, Keys
from tests.conftest import wait_until
from tests.vod.behaviours import dripped_head, tunnel

Start = Callable[..., Any]
Make = Callable[..., bytes]

ANSWER = {
    "AccessKeyId": "STS.id",
    "AccessKeySecret": "sts-secret",
    "SecurityToken": "sts-token",
    "Expiration": "2036-01-01T00:00:00Z",
}
REFUSAL = {
    "Code": "EntityNotExist.Role",
    "Message": "CANARY of RequestId LTAI5tCANARY0000000000",
    "AccessKeySecret": "CANARY",
}


def shown(keys: Keys) -> tuple[str, str, str | None]:
    token = keys.security_token
    return keys.access_key_id, keys.access_key_secret.get_secret_value(), token.get_secret_value() if token else None


class Found:
    """The keys of a provider, with the getters of the package."""

    def __init__(self, identity: str | None, secret: str | None, token: str | None = None) -> None:
        self.get_access_key_id = lambda: identity
        self.get_access_key_secret = lambda: secret
        self.get_security_token = lambda: token


class Fake:
    """A provider. It returns `found` or raises it, and counts how often it was asked."""

    def __init__(self, found: object) -> None:
        self.found = found
        self.asked = 0

    def get_credentials(self) -> object:
        self.asked += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def refusal(**providers: object) -> str:
    """The text of the error if all providers fail. It must show no key and no original exception."""
    with pytest.raises(CredentialsError) as caught:
        ProviderChain(providers=lambda: providers).keys()
    assert caught.value.code == "NoCredentials"
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    text = str(caught.value)
    assert text.startswith("the official provider chain has no keys (")
    assert text.endswith(
        "; set `credentials` in the configuration, set ALIBABA_CLOUD_ACCESS_KEY_ID and "
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET, or run with a RAM role"
    )
    return text.partition("(")[2].rpartition("); set `cred")[0]


def test_the_first_provider_with_keys_is_the_only_one_asked_from_then_on() -> None:
    first, second, third = Fake(ValueError()), Fake(Found("id", "secret", "")), Fake(Found("other", "other"))
    keys: Credentials = ProviderChain(providers=lambda: {"a": first, "b": second, "c": third})
    assert [shown(keys.keys()) for _ in range(3)] == [("id", "secret", None)] * 3
    assert (first.asked, second.asked, third.asked) == (1, 3, 0)


def test_after_a_failure_the_next_call_asks_all_providers_again() -> None:
    first, second = Fake(ValueError()), Fake(ValueError())
    keys = ProviderChain(providers=lambda: {"a": first, "b": second})
    with pytest.raises(CredentialsError):
        keys.keys()
    first.found = Found("id", "secret")
    assert shown(keys.keys()) == ("id", "secret", None)


def test_renew_creates_a_new_chain_at_most_once_an_hour() -> None:
    now, made = [0.0], []

    def make() -> dict[str, Fake]:
        made.append(now[0])
        return {"a": Fake(Found("id", "secret"))}

    keys = ProviderChain(providers=make, clock=lambda: now[0])
    for now[0] in (0.0, 10.0, 3599.0, 3600.0, 3700.0, 7299.0, 7300.0):
        keys.keys()
        keys.renew()
    keys.keys()
    assert made == [0.0, 3700.0, 7300.0]


@pytest.mark.parametrize("found", [Found("", "CANARY"), Found("CANARY", None)])
def test_a_provider_without_whole_keys_has_none(found: object) -> None:
    assert refusal(a=Fake(found)) == "a: it returned no key"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError('result: {"AccessKeySecret": "CANARY"}'), "RuntimeError"),
        (ValueError("CANARY is empty!"), "ValueError"),
        (OSError("CANARY"), "OSError"),
        (FileNotFoundError(2, "No such file or directory", "/run/token"), "/run/token: No such file or directory"),
    ],
)
def test_an_exception_that_is_not_known_shows_no_text(error: Exception, said: str) -> None:
    """The errors of providers quote answers of token services, including keys."""
    assert refusal(a=Fake(error), b=Fake(None)) == f"a: {said}; b: AttributeError"


@pytest.fixture
def official(bare_environment: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package's module with its providers, as the chain uses it."""
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
    chain.official()
    from alibabacloud_credentials import provider

    return provider


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("CANARY-token")
    return path


def oidc(official: Any, port: int, token_file: Path) -> Any:
    return official.OIDCRoleArnCredentialsProvider(
        role_arn="acs:ram::1:role/r",
        oidc_provider_arn="acs:ram::1:oidc-provider/p",
        oidc_token_file_path=str(token_file),
        sts_endpoint=f"127.0.0.1:{port}",
    )


@pytest.mark.usefixtures("trusted")
def test_sts_is_asked_with_the_cas_of_the_environment(
    official: Any, wire: Start, tls: Start, answer: Make, token_file: Path
) -> None:
    sts = wire(answer(json.dumps({"Credentials": ANSWER}).encode()), tls())
    keys = ProviderChain(providers=lambda: {"OIDC role": oidc(official, sts.port, token_file)}).keys()
    assert shown(keys) == ("STS.id", "sts-secret", "sts-token")
    assert b"AssumeRoleWithOIDC" in sts.heads[0]


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (json.dumps(REFUSAL).encode(), " (EntityNotExist.Role)"),
        (json.dumps({**REFUSAL, "Code": "LTAI5tCANARY"}).encode(), ""),
        (b"<html>CANARY</html>", ""),
        (b"[]", ""),
    ],
)
def test_a_refusal_of_sts_is_named_without_its_answer(
    official: Any, wire: Start, tls: Start, answer: Make, token_file: Path, body: bytes, said: str
) -> None:
    sts = wire(answer(body, status="403 Forbidden"), tls())
    assert refusal(oidc=oidc(official, sts.port, token_file)) == f"oidc: refused with HTTP 403{said}"


@pytest.mark.usefixtures("trusted")
def test_an_answer_of_sts_without_keys_is_named(
    official: Any, wire: Start, tls: Start, answer: Make, token_file: Path
) -> None:
    sts = wire(answer(json.dumps({"Credentials": {"AccessKeySecret": "CANARY"}}).encode()), tls())
    assert refusal(oidc=oidc(official, sts.port, token_file)) == "oidc: the answer has no keys"


def test_an_sts_that_cannot_be_reached_is_named(official: Any, wire: Start, token_file: Path) -> None:
    sts = wire(b"")
    sts.stop()
    assert refusal(oidc=oidc(official, sts.port, token_file)) == (
        "oidc: no connection to 127.0.0.1: Connection refused; check endpoint and firewall"
    )


def test_a_missing_token_file_is_named(official: Any, tmp_path: Path) -> None:
    said = refusal(oidc=oidc(official, 1, tmp_path / "none"))
    assert said == f"oidc: {tmp_path}/none: No such file or directory"


def opened_for_writing(fifo: Path) -> bool:
    """Whether somebody waits for a writer of the FIFO, who then reads that it is empty."""
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def test_a_token_file_that_hangs_is_named_and_hangs_no_later_call(
    official: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To open a FIFO without a writer takes for ever, as does a file on a disk that is away."""
    monkeypatch.setattr(chain, "_PROVIDER_SECONDS", 0.05)
    os.mkfifo(tmp_path / "token")
    provider = oidc(official, 1, tmp_path / "token")
    try:
        for _ in range(2):
            assert refusal(hanging=provider) == f"hanging: {tmp_path}/token: its disk or pipe does not answer"
    finally:
        wait_until(lambda: opened_for_writing(tmp_path / "token"))


@pytest.mark.usefixtures("trusted")
def test_sts_has_a_limited_time(
    official: Any, wire: Start, tls: Start, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = oidc(official, wire(dripped_head, tls()).port, token_file)
    monkeypatch.setitem(provider._runtime_options, "connectTimeout", 100)
    monkeypatch.setitem(provider._runtime_options, "readTimeout", 100)
    assert refusal(oidc=provider) == "oidc: the answer was not complete before the deadline"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "{path} does not exist"),
        ("{", "{path} is not readable JSON"),
        ("{}", "its file names no current profile"),
        ('{"current": "p"}', "its file has no profile p"),
        ('{"current": "p", "profiles": [{"name": "p", "mode": "CANARY"}]}', "the mode of its profile is not supported"),
        ('{"current": "p", "profiles": [{"name": "p", "mode": "AK"}]}', "the access key id is empty"),
    ],
)
def test_a_fault_of_the_cli_profile_is_named(official: Any, tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)
    provider = official.CLIProfileCredentialsProvider(profile_file=str(path))
    assert refusal(cli=provider) == f"cli: {said.replace('{path}', str(path))}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "{path} does not exist"),
        ("[other]\ntype=access_key\n", "{path} lacks the profile"),
        ("[default]\ntype=CANARY\n", "the type in {path} is not supported"),
        ("[default]\ntype=access_key\naccess_key_id=CANARY\n", "the access key secret is empty"),
        ("[default]\ntype=ecs_ram_role\n", "ValueError"),
    ],
)
def test_a_fault_of_the_profile_file_is_named(official: Any, tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "credentials.ini"
    if text is not None:
        path.write_text(text)
    provider = official.ProfileCredentialsProvider(profile_file=str(path), profile_name="default")
    assert refusal(ini=provider) == f"ini: {said.replace('{path}', str(path))}"


def test_a_refusal_of_the_credentials_uri_does_not_show_the_uri(official: Any, wire: Start, answer: Make) -> None:
    server = wire(answer(b"CANARY", status="500 Internal Server Error"))
    provider = official.URLCredentialsProvider(uri=f"{server.url}/?token=CANARY")
    assert refusal(uri=provider) == "uri: refused with HTTP 500"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("true", "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED needs ALIBABA_CLOUD_STS_REGION, for example cn-shanghai"),
        ("yes", "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED is neither true nor false"),
    ],
)
def test_variables_that_the_package_would_ignore_are_refused(
    official: Any, token_file: Path, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package would ask the public STS, which a VPC without Internet access cannot reach."""
    monkeypatch.setenv("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", value)
    provider = official.OIDCRoleArnCredentialsProvider(
        role_arn="r", oidc_provider_arn="p", oidc_token_file_path=str(token_file)
    )
    assert refusal(oidc=provider) == f"oidc: {said}"


def _run(program: str, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a new process, because the official package reads the environment at its import."""
    environ = {
        "HOME": str(home),
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
        "PATH": os.environ["PATH"],
        **environ,
    }
    return subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=60, check=True
    )


PROGRAM = """
import logging, sys, threading
logging.basicConfig(level=logging.DEBUG)
for name in ("urllib3", "asyncio"):
    logging.getLogger(name).setLevel(logging.WARNING)
from exporter.errors import CredentialsError
from exporter.vod.chain import ProviderChain
chain = ProviderChain()
assert not [name for name in sys.modules if name.startswith("alibabacloud")]
try:
    keys = chain.keys()
    print(keys.access_key_id, keys.access_key_secret.get_secret_value(), keys.security_token and "token")
except CredentialsError as error:
    print(error)
assert threading.active_count() == 1
"""


@pytest.mark.slow
def test_the_official_chain_reads_the_environment_and_is_imported_on_first_use(tmp_path: Path) -> None:
    given = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "env-id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "env-secret"}
    assert _run(PROGRAM, tmp_path, **given).stdout == "env-id env-secret None\n"


@pytest.mark.slow
def test_the_official_chain_without_keys_names_each_provider_and_its_fault(tmp_path: Path) -> None:
    done = _run(PROGRAM, tmp_path, ALIBABA_CLOUD_ACCESS_KEY_ID="CANARY", ALIBABA_CLOUD_ROLE_ARN="r")
    assert done.stdout.partition("; set `cred")[0] == (
        "the official provider chain has no keys (environment: ALIBABA_CLOUD_ACCESS_KEY_SECRET is not set or empty; "
        "OIDC role: not set: ALIBABA_CLOUD_OIDC_PROVIDER_ARN, ALIBABA_CLOUD_OIDC_TOKEN_FILE; "
        f"CLI profile: {tmp_path}/.aliyun/config.json does not exist; "
        f"profile file: {tmp_path}/.alibabacloud/credentials.ini does not exist; "
        "ECS RAM role: ALIBABA_CLOUD_ECS_METADATA_DISABLED is true; "
        "credentials URI: not set: ALIBABA_CLOUD_CREDENTIALS_URI)"
    )
    assert done.stderr == ""


@pytest.mark.slow
def test_the_logs_of_the_package_and_its_scheduler_are_silent(tmp_path: Path) -> None:
    """They would log the answers of token services, and lines of APScheduler that nobody asked for."""
    program = PROGRAM + (
        "for name in ('credentials', 'apscheduler.scheduler', 'apscheduler.executors.default', 'tzlocal'):\n"
        "    logging.getLogger(name).error('CANARY')\n"
    )
    assert _run(program, tmp_path).stderr == ""


@pytest.fixture
def redirecting(wire: Start) -> Start:
    """Starts a proxy that tunnels to a port of this machine, whatever host it is asked for."""

    def start(port: int) -> Any:
        def other_tunnel(server: Any, connection: socket.socket) -> None:
            server.asked = server.heads[-1].split()[1].decode()
            server.heads[-1] = f"CONNECT 127.0.0.1:{port} ".encode()
            tunnel(server, connection)

        return wire(other_tunnel)

    return start


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "host"),
    [
        ({}, "sts.aliyuncs.com"),
        ({"ALIBABA_CLOUD_STS_REGION": "cn-beijing"}, "sts.cn-beijing.aliyuncs.com"),
        (
            {"ALIBABA_CLOUD_STS_REGION": "cn-beijing", "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "true"},
            "sts-vpc.cn-beijing.aliyuncs.com",
        ),
    ],
)
def test_the_variables_of_sts_choose_its_host_which_is_asked_through_the_proxy(
    variables: dict[str, str],
    host: str,
    wire: Start,
    tls: Start,
    answer: Make,
    redirecting: Start,
    token_file: Path,
    authority: Any,
) -> None:
    sts = wire(answer(json.dumps({"Credentials": ANSWER}).encode()), tls(host))
    proxy = redirecting(sts.port)
    authority.cert_pem.write_to_path(str(token_file.parent / "ca.pem"))
    done = _run(
        PROGRAM,
        token_file.parent,
        HTTPS_PROXY=proxy.url,
        SSL_CERT_FILE=str(token_file.parent / "ca.pem"),
        ALIBABA_CLOUD_ROLE_ARN="r",
        ALIBABA_CLOUD_OIDC_PROVIDER_ARN="p",
        ALIBABA_CLOUD_OIDC_TOKEN_FILE=str(token_file),
        **variables,
    )
    assert (done.stdout, done.stderr) == ("STS.id sts-secret token\n", "")
    assert proxy.asked == f"{host}:443"


@pytest.mark.slow
def test_the_ecs_role_is_asked_without_a_thread_and_names_its_fault(tmp_path: Path, wire: Start, answer: Make) -> None:
    """The metadata service has a fixed address, so requests to it are redirected here. No proxy is asked."""
    proxy = wire(answer(b"CANARY"))
    service = wire(answer(b"CANARY", status="404 Not Found"))
    program = PROGRAM.replace(
        "chain = ProviderChain()",
        "from exporter.vod import connections\n"
        "real = connections.create_connection\n"
        "def connect(address, *rest, **more):\n"
        "    assert address[0] == '100.100.100.200', address\n"
        f"    return real(('127.0.0.1', {service.port}), *rest, **more)\n"
        "connections.create_connection = connect\n"
        "chain = ProviderChain()",
    )
    done = _run(program, tmp_path, ALIBABA_CLOUD_ECS_METADATA_DISABLED="false", HTTP_PROXY=proxy.url)
    assert "; ECS RAM role: the instance has no RAM role; " in done.stdout
    assert (proxy.connections, done.stderr) == (0, "")
    assert service.connections > 1


def test_our_log_has_no_line_of_the_chain(caplog: pytest.LogCaptureFixture) -> None:
    with suppress(CredentialsError):
        ProviderChain(providers=lambda: {"a": Fake(SimpleNamespace())}).keys()
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []
