"""The image: its Dockerfile is free of known mistakes, pinned, and has what the package needs; its health check."""

from __future__ import annotations

import fnmatch
import re
import ssl
import subprocess
import sys
import sysconfig
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import trustme

from exporter.command.webflags import LISTEN_ADDRESS

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
HEALTHCHECK = ROOT / "deploy" / "docker" / "healthcheck.py"


def instructions() -> list[str]:
    """The instructions of the Dockerfile, each on one line, without comments."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_hadolint_finds_no_fault_in_the_dockerfile() -> None:
    hadolint = Path(sysconfig.get_path("scripts"), "hadolint")
    done = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_both_stages_have_one_base_that_a_digest_pins() -> None:
    lines = instructions()
    assert re.fullmatch(r"ARG BASE=\S+:\S+@sha256:[0-9a-f]{64}", lines[0])
    assert [line for line in lines if line.startswith("FROM ")] == ["FROM ${BASE} AS build", "FROM ${BASE}"]


def test_pip_downloads_nothing_without_a_hash() -> None:
    commands = re.findall(
        r"/pip (?:--python \S+ )?(?:install|wheel) .*?(?= && |$)", "\n".join(instructions()), re.MULTILINE
    )
    assert len(commands) == 4
    for command in commands:
        assert "--require-hashes" in command or "--no-deps" in command, command
        assert "wheel " not in command or "--no-build-isolation" in command, command


def test_the_image_is_not_root_and_says_how_it_is_stopped_and_checked() -> None:
    runtime = instructions()[instructions().index("FROM ${BASE}") :]
    assert "USER 65532:65532" in runtime
    assert "STOPSIGNAL SIGTERM" in runtime
    assert "EXPOSE 10870" in runtime
    assert any(line.startswith("HEALTHCHECK ") for line in runtime)


def test_the_context_has_each_file_that_the_package_is_built_from() -> None:
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]
    wheel = hatch["build"]["targets"]["wheel"]
    needed = [
        *wheel["force-include"],
        *wheel["shared-data"],
        *wheel["packages"],
        "README.md",
        "LICENSE",
        "hatch_build.py",
    ]
    patterns = [
        line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    outside = [path for path in needed if not any(fnmatch.fnmatch(f"{path}/", f"{pattern}/*") for pattern in patterns)]
    assert outside == []


@contextmanager
def server(status: int, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server that answers /-/healthy with this status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path.endswith("/-/healthy") else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tests print nothing."""

    class Quiet(HTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Plain HTTP to a server of HTTPS is what the health check tries first."""

    with Quiet(("127.0.0.1", 0), Handler) as running:
        if context:
            running.socket = context.wrap_socket(running.socket, server_side=True)
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()


def check(address: str, prefix: str = "") -> subprocess.CompletedProcess[str]:
    """Run the health check as the image does."""
    return subprocess.run(
        [sys.executable, "-I", str(HEALTHCHECK)],
        env={"HEALTHCHECK_ADDRESS": address, "HEALTHCHECK_PREFIX": prefix, "http_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
    )


def context_of_server(*, asks_for_certificate: bool) -> ssl.SSLContext:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("exporter.example.org").configure_cert(context)
    if asks_for_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    return context


def test_the_health_check_passes_by_http_https_and_behind_a_prefix() -> None:
    with server(200) as address:
        assert check(address).returncode == 0
        assert check(address, "/vod/").returncode == 0
    with server(200, context_of_server(asks_for_certificate=False)) as address:
        assert check(address).returncode == 0


def test_the_health_check_takes_the_demand_for_a_certificate_as_alive() -> None:
    context = context_of_server(asks_for_certificate=True)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.minimum_version = context.maximum_version = version
        with server(200, context) as address:
            assert check(address).returncode == 0, version


def test_the_health_check_fails_with_a_reason() -> None:
    with server(503) as address:
        assert "not that it is alive" in check(address).stderr
    done = check(address)
    assert done.returncode == 1
    assert done.stderr.startswith("The exporter does not answer: ")
    assert "Traceback" not in done.stderr


def test_image_and_health_check_have_the_port_of_the_default_listen_address() -> None:
    port = LISTEN_ADDRESS.removeprefix(":")
    assert f'"127.0.0.1:{port}"' in HEALTHCHECK.read_text()
    assert f"EXPOSE {port}" in instructions()
