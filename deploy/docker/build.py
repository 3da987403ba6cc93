"""Builds the image on a Debian machine without a Docker engine and without a registry, then runs and scrapes it.

::

    sudo python3 deploy/docker/build.py [--archive FILE]

It needs root and the packages buildah and mmdebstrap. The base is a minimal Debian with its Python, in place of the
image that the Dockerfile names. `--archive` writes an OCI archive. Everything else is in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BASE = "localhost/base"
IMAGE = "localhost/vod-transcode-exporter"
_SECONDS = 60.0
_CONFIG = """\
accounts:
  - name: simulated
    endpoint: http://{simulator}
    credentials: {{access_key_id: simulator, access_key_secret: simulator}}
"""
# What a container engine does with an image: a root that is read-only, and a volume for the state. Engines need
# features of the kernel that a machine may lack; this needs only mounts.
_MOUNTS = """\
set -eu
mount --rbind "$1" "$1"
mount -t tmpfs -o uid=65532,gid=65532,mode=700 state "$1$2"
mount --bind "$3" "$1/etc/vod-transcode-exporter"
mount --bind /dev "$1/dev"
mount --bind /proc "$1/proc"
mount -o remount,bind,ro "$1"
cd "$1"
"""


def main() -> None:
    """Build, run, scrape, and print what was seen. Raises CalledProcessError or AssertionError when a step fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--archive", type=Path, help="write the image to this OCI archive")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vod-image-") as folder:
        _use_storage(Path(folder))
        _build(Path(folder))
        image = json.loads(_output("buildah", "inspect", "--type=image", IMAGE))["Docker"]["config"]
        sizes = _output("buildah", "images", "--format={{.Name}} {{.Size}}").splitlines()
        print("sizes:", ", ".join(sizes))
        print("labels:", json.dumps(image["Labels"], indent=2))
        _run(Path(folder), image)
        if arguments.archive:
            _command("buildah", "push", "--quiet", IMAGE, f"oci-archive:{arguments.archive}:vod-transcode-exporter")
            print(f"archive: {arguments.archive}, {arguments.archive.stat().st_size / 1e6:.0f} MB")


def _use_storage(folder: Path) -> None:
    """Let all commands of buildah keep images below the folder."""
    settings = folder / "storage.conf"
    settings.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n')
    os.environ |= {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs", "CONTAINERS_STORAGE_CONF": str(settings)}


def _build(folder: Path) -> None:
    print("== the base: Debian with Python", flush=True)
    archive = folder / "base.tar"
    leave_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "locale", "man")]
    packages = "--include=ca-certificates,python3,python3-venv"
    _command("mmdebstrap", "--quiet", "--variant=minbase", packages, *leave_out, "bookworm", str(archive))
    container = _output("buildah", "from", "scratch")
    _command("buildah", "add", "--quiet", container, str(archive), "/")
    _command("buildah", "commit", "--quiet", "--rm", container, BASE)
    archive.unlink()

    print("== the image", flush=True)
    # A network may have a CA of its own. The build trusts the CAs of this machine, and the image those of the base.
    pip = folder / "pip.conf"
    pip.write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")
    authorities = [
        path
        for path in ("/etc/ssl/certs", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates")
        if Path(path).exists()
    ]
    version = re.search(r'__version__ = "(.+)"', (ROOT / "exporter/__init__.py").read_text())
    values = {
        "BASE": BASE,
        "VERSION": version[1] if version else "",
        "REVISION": _output("git", "rev-parse", "HEAD"),
        "CREATED": _output("git", "log", "-1", "--format=%cI"),
    }
    _command(
        *("buildah", "build", "--quiet", "--format=docker", "--file=deploy/docker/Dockerfile", f"--tag={IMAGE}"),
        *(f"--volume={path}:{path}:ro" for path in authorities),
        f"--volume={pip}:/etc/pip.conf:ro",
        *(f"--build-arg={name}={value}" for name, value in values.items()),
        ".",
    )  # fmt: skip


def _run(folder: Path, image: dict[str, Any]) -> None:
    """Run the simulator and the exporter of the image, scrape, check health, and stop."""
    print("== the image runs, read-only", flush=True)
    root = _output("buildah", "mount", _output("buildah", "from", IMAGE))
    settings = folder / "settings"
    settings.mkdir()
    Path(root, "etc/vod-transcode-exporter").mkdir()
    simulator, exporter = _free_address(), _free_address()
    config = settings / "vod-transcode-exporter.yml"
    config.write_text(_CONFIG.format(simulator=simulator))
    config.chmod(0o400)
    os.chown(config, *map(int, image["User"].split(":")))
    container = [
        *("unshare", "--mount", "sh", "-c", f'{_MOUNTS}shift 3; exec "$@"', "sh"),
        *(root, image["WorkingDir"], str(settings), "setpriv", "--no-new-privs"),
        *("chroot", f"--userspec={image['User']}", "--groups=", root),
        *("/usr/bin/env", "--ignore-environment", f"--chdir={image['WorkingDir']}", *image["Env"]),
    ]
    refused = subprocess.run([*container, "touch", "/opt/mark"], capture_output=True, text=True)
    assert "Read-only file system" in refused.stderr, refused.stderr
    entry = [*container, *image["Entrypoint"]]
    _command(*entry, "--version")
    with ExitStack() as running:
        running.enter_context(_process([*entry, "simulate", f"--listen={simulator}"]))
        process = running.enter_context(_process([*entry, *image["Cmd"], f"--web.listen-address={exporter}"]))
        _get(f"http://{exporter}/-/ready")
        scraped = _get(f"http://{exporter}/metrics")
        assert 'vod_up{account="simulated"} 1' in scraped, scraped[:2000]
        print(f"scraped {len(scraped.splitlines())} lines, and vod_up is 1")
        check = [*container, f"HEALTHCHECK_ADDRESS={exporter}", *image["Healthcheck"]["Test"][1:]]
        _command(*check)
        print("the health check passes")
        process.send_signal(signal.Signals[image.get("StopSignal", "SIGTERM")])
        assert process.wait(_SECONDS) == 0, process.returncode
    refused = subprocess.run(check, capture_output=True, text=True)
    assert refused.returncode == 1, refused
    print("the exporter has stopped, and the health check fails:", refused.stderr.strip())


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs while the block runs."""
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.terminate()


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def _get(url: str) -> str:
    """The body of the answer, once the server answers 200."""
    until = time.monotonic() + _SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=15) as answer:
                return str(answer.read().decode())
        except urllib.error.URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def _command(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    main()
