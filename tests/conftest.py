"""Shared by the tests of several folders."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import math
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, Unpack

import pytest
from hypothesis import HealthCheck, settings

from exporter import reading, wiring
from exporter.deadline import Deadline
from exporter.masks import masking
from exporter.masks.own import Secrets
from exporter.scrape.account import Account
from exporter.scrape.calls import Recorder
from exporter.scrape.health import Health
from exporter.scrape.threads import Threads
from exporter.simulator.access import Request
from exporter.simulator.distort import Answer
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.simulator.service import Options
from exporter.snapshot import AccountSnapshot
from exporter.tracking.discovery import Discovery
from exporter.tracking.ledger import Ledger
from exporter.tracking.tracker import Tracker
from exporter.tracking.videos import Videos
from exporter.vod.client import Client
from exporter.vod.limiter import Limiter
from exporter.vod.sender import Observer
from tests import certificates

# What the environment of a machine or a user sets must not reach the tests, nor the programs that they start.
for _name in list(os.environ):
    if _name.startswith("ALIBABA_CLOUD_") or _name.upper() in (
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC"),
        *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("STATE_DIRECTORY", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"),
    ):
        del os.environ[_name]

# The official provider chain and SDK ask the metadata service of a cloud machine where nothing else is configured.
os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"

# A shell that starts pytest in the background lets it ignore SIGINT, and the programs that the tests start would too.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The default profile is fast and repeatable; `full` has more examples. `HYPOTHESIS_PROFILE=thorough` tries many new
# ones, and prints the line that reproduces a failure. No profile measures time, which is long on a busy machine.
TIMELESS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fast", TIMELESS, max_examples=20, derandomize=True)
settings.register_profile("full", TIMELESS, max_examples=50, derandomize=True)
settings.register_profile("thorough", TIMELESS, max_examples=600, derandomize=False, print_blob=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


# Imports and collection make a million objects that stay, and the garbage collector would look at them again and again.
gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage from now on, without looking at what was there before the tests."""
    gc.freeze()
    gc.enable()


def pytest_runtest_setup() -> None:
    """Forget the secrets that other tests have read. They would be masked in the texts of this test."""
    masking._own = Secrets()


def pytest_configure(config: pytest.Config) -> None:
    """Trace no code of a process that only gives tests to its workers."""
    coverage = config.pluginmanager.get_plugin("_cov")
    if coverage is not None and config.getoption("numprocesses", None):
        coverage.cov_controller.cov.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run property tests without coverage. Tracing makes them several times as slow, and adds few lines."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("no_cover")


def examples(share: float) -> settings:
    """This share of the examples of the profile, for a test whose examples are expensive."""
    return settings(max_examples=max(1, round(share * settings().max_examples)))


NOW = 1_700_000_000.0


@pytest.fixture
def hanging_files(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Files that do not answer, by name, as on a disk that is away. The time for that is not waited for."""
    names: set[str] = set()
    answered = reading.in_time

    def in_time(name: str, work: Callable[[], object], *, seconds: float | None = None) -> object:
        if name in names:
            raise TimeoutError(errno.ETIMEDOUT, "its disk or pipe does not answer")
        return answered(name, work, seconds=seconds)

    monkeypatch.setattr(reading, "in_time", in_time)
    return names


class HeldFile:
    """A file that the kernel lets nobody else open until `release`: opening it hangs, as on a disk that is away.

    A lease does that (fcntl(2)). The kernel ends it after `/proc/sys/fs/lease-break-time`, which is 45 s.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY)
        # The kernel reports each process that wants to open the file. The signal would end this process.
        self._handler = signal.signal(signal.SIGIO, signal.SIG_IGN)
        fcntl.fcntl(self._file, fcntl.F_SETLEASE, fcntl.F_WRLCK)

    @property
    def wanted(self) -> bool:
        """Whether somebody is opening the file."""
        return fcntl.fcntl(self._file, fcntl.F_GETLEASE) != fcntl.F_WRLCK

    def release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            signal.signal(signal.SIGIO, self._handler)
            self._file = -1


@pytest.fixture
def hold() -> Iterator[Callable[[Path], HeldFile]]:
    """Holds files, and releases them at the latest after the test."""
    with contextlib.ExitStack() as stack:

        def held(path: Path) -> HeldFile:
            try:
                file = HeldFile(path)
            except OSError as error:
                pytest.skip(f"this file system has no leases: {error}")
            stack.callback(file.release)
            return file

        yield held


@pytest.fixture(scope="session")
def made_certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates and keys, made once."""
    made = tmp_path_factory.mktemp("certificates")
    certificates.make(made)
    return made


@pytest.fixture
def folder(made_certificates: Path, tmp_path: Path) -> Path:
    """An own copy of the certificates, for web configuration files beside them."""
    shutil.copytree(made_certificates, tmp_path, dirs_exist_ok=True)
    return tmp_path


def wait_until(
    condition: Callable[[], object],
    *,
    message: Callable[[], str] = lambda: "the condition never held",
    seconds: float = 60.0,
    pause: float = 0.02,
) -> None:
    """Check the condition until it holds, with a pause between. If it does not hold in time, fail with the message."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, message()
        time.sleep(pause)


def fastest(call: Callable[[], object], *, wanted: float, attempts: int = 10) -> float:
    """The seconds of the fastest of several calls. No call follows one that took less than `wanted`.

    A busy machine delays some calls, and a fault of the code all of them. So a test compares the result with `wanted`.
    """
    best = math.inf
    for _ in range(attempts):
        started = time.monotonic()
        call()
        best = min(best, time.monotonic() - started)
        if best < wanted:
            break
    return best


def growth(small: Callable[[], object], large: Callable[[], object], *, rounds: int = 7) -> float:
    """The processor time of `large` divided by that of `small`, from the best of several alternating rounds.

    Tests of speed compare two sizes in this way. A limit in seconds would fail on a busy machine.
    """
    best = [math.inf, math.inf]
    for _ in range(rounds):
        for place, call in enumerate((small, large)):
            started = time.thread_time()
            call()
            best[place] = min(best[place], time.thread_time() - started)
    return best[1] / best[0]


class Clock:
    """A wall clock in Unix seconds. It starts at `NOW` and stands still until a test changes `now`."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class WorldTime:
    """The monotonic clock of a simulator. It stands at `now`, which a test moves; if that is None, it is the real one.

    Without it, a world that runs fast has moved on by the time that the test stops its clock.
    """

    def __init__(self) -> None:
        self.now: float | None = time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() if self.now is None else self.now


def make_account(
    connect: Callable[[Limiter, Observer], Client],
    ledger: Ledger,
    recorder: Recorder,
    *,
    name: str = "prod",
    videos: Videos | None = None,
    discovery: Discovery | None = None,
    concurrency: int = 8,
    clock: Callable[[], float] = time.monotonic,
) -> Account:
    """An account whose client is made by `connect`: a fake one, or the real one. `clock` is that of its calls."""
    limiter, health, threads = Limiter(1000.0), Health(name), Threads(f"account {name}")
    return wiring.joined(
        AccountSnapshot(name, "cn-shanghai", "https://vod.example"),
        connect(limiter, wiring.observer(recorder, health)),
        Tracker(ledger, videos or Videos(), discovery=discovery),
        recorder=recorder,
        limiter=limiter,
        health=health,
        threads=threads,
        concurrency=concurrency,
        clock=clock,
    )


def snapshot_of(account: Account) -> AccountSnapshot:
    """The present snapshot of the account, with everything saved."""
    return account.finish_snapshot(account.start_view(), Deadline.after(60))


class Simulators(Protocol):
    """Starts simulators."""

    def __call__(self, **options: Unpack[Options]) -> Simulator: ...


@pytest.fixture
def simulators() -> Iterator[Simulators]:
    """Starts simulators, and stops them after the test. They have ten minutes of history: an hour is planned slowly."""
    with contextlib.ExitStack() as stack:

        def start(**options: Unpack[Options]) -> Simulator:
            options.setdefault("history", 600.0)
            return stack.enter_context(Simulator(**options))

        yield start


@contextlib.contextmanager
def held(simulator: Simulator) -> Iterator[threading.Event]:
    """The simulator answers no call until the event is set. It counts the calls as they come."""
    answer, opened = simulator.call, threading.Event()

    def later(request: Request) -> tuple[Answer, Fault | None]:
        answered = answer(request)
        opened.wait(60)
        return answered

    simulator.call = later  # type: ignore[method-assign]
    try:
        yield opened
    finally:
        opened.set()
        simulator.call = answer  # type: ignore[method-assign]


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """A port of 127.0.0.1 that Linux gives to nobody else, and on which one program can listen meanwhile.

    The socket does not listen, and both it and the program allow the reuse of the address, as servers do.
    """
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


OTHER_PROGRAMS = {
    "promtool3": "promtool of Prometheus 3 under this name; .ci/run says how to get it",
    **dict.fromkeys(("helm", "helm-docs", "kubectl-validate"), ".ci/chart-tools builds it"),
}


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """The path of a program; without it the test is skipped, and fails where CI=true promises that it is there.

    CI_WITHOUT names programs that this CI machine could not get.
    """

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            reason = f"{name} is not installed ({OTHER_PROGRAMS.get(name, 'Debian has it')})"
            if os.environ.get("CI") == "true" and name not in os.environ.get("CI_WITHOUT", "").split():
                pytest.fail(reason)
            pytest.skip(reason)
        return path

    return find


def exporter_command(*, hold: float = 0.0, change: str = "") -> list[str]:
    """The command that runs the exporter, with new counters exposed at 0 for `hold` seconds instead of minutes.

    `change` is Python that injects a fault into the process before it starts.
    """
    start = "import sys; from functools import partial; from exporter.command import cli, serving"
    held = f"serving.Exporter = partial(serving.Exporter, hold={hold})"
    return [sys.executable, "-c", f"{start}\n{held}\n{change}\nsys.exit(cli.main())"]
