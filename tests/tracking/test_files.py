"""Files that list ids: the tasks and videos that they name after a change, a fault and a removal."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import StateError
from exporter.model import FILES
from exporter.tracking import files as module
from exporter.tracking.files import MAX_BYTES, MAX_YAML_BYTES, Files
from exporter.tracking.ledger import Ledger
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.videos import Videos
from tests.conftest import growth
from tests.tracking.conftest import due


class RecordingLedger(Ledger):
    """Notes each call of `name`: key and ids."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        self.is_blind = False  # its store cannot be read

    def name(self, key: str, task_ids: Iterable[str], *, source: str) -> bool:
        ids = tuple(task_ids)
        self.calls.append((key, ids))
        return super().name(key, ids, source=source) and not self.is_blind


class Account:
    """The files of one account, refreshed long after they were written."""

    def __init__(self, *patterns: str | Path, later: float = 3600.0) -> None:
        self.ledger = RecordingLedger()
        self.videos = Videos()
        self.files = Files(map(str, patterns), account="prod", clock=lambda: time.time() + later)

    def refresh(self) -> Account:
        self.files.name(self.ledger, self.videos)
        return self

    @property
    def tasks(self) -> dict[str, tuple[str, ...]]:
        """The tasks named now, by the name of their file."""
        named = dict(self.ledger.calls)
        return {Path(key.removeprefix("file ")).name: ids for key, ids in named.items() if ids}


def write(path: Path, content: str | bytes) -> Path:
    """Replace the file by a rename, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content.encode() if isinstance(content, str) else content)
    return new.replace(path)


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, str]]:
    """Level, line and fault of each log line since the last call."""
    found = [(one.levelname, getattr(one, "line", 0), getattr(one, "error", one.message)) for one in caplog.records]
    caplog.clear()
    return found


WELL = ("INFO", 0, "id file is valid again")
GONE = ("INFO", 0, "id file was removed; its ids are not named any more")


@pytest.fixture(autouse=True)
def _log_from_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="exporter.tracking.files")


@pytest.mark.parametrize(
    ("name", "content", "tasks", "videos"),
    [
        ("a.yml", "- a_1\n- 'no'\n- \"0123\"\n", ["a_1", "no", "0123"], []),
        ("a.yml", "tasks: [a, b]\nvideos:\n  - v\n", ["a", "b"], ["v"]),
        ("a.yaml", "videos: [v]\n", [], ["v"]),
        ("a.txt", "\ufeff- a\n", ["a"], []),
        ("a", "[]", [], []),
        ("a.json", '["a", "b", "a"]', ["a", "b"], []),
        ("a.json", '\ufeff{"videos": ["v"], "tasks": ["a"]}', ["a"], ["v"]),
        ("a.json", "{}", [], []),
        ("a.yml", '["a", "a"]', ["a"], []),
    ],
)
def test_a_file_names_the_tasks_and_videos_that_it_lists(
    name: str, content: str, tasks: list[str], videos: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    account = Account(write(tmp_path / name, content)).refresh()

    assert account.ledger.tasks() == [(task, FILES, None) for task in tasks]
    assert list(due(account.videos)) == videos
    assert all(account.videos.source(video) == FILES and account.videos.is_named(video) for video in videos)
    assert logged(caplog) == []


NOT_AN_ID = "is not an id of VOD; write 1 to 128 letters, digits, `_` and `-`"
SHAPE = "is not a list of ids, nor a mapping with `tasks` and `videos`; write one of these"
NEITHER = "a key is neither `tasks` nor `videos`; remove it"
ODD_JSON = "is not valid JSON here; check quotes, commas and brackets"
BROKEN: list[tuple[str, str | bytes, int, str]] = [
    ("a.yml", "", 1, "is empty; write [] to name nothing"),
    ("a.yml", "# none\n", 1, "is empty; write [] to name nothing"),
    ("a.yml", "- a\n- CANARY x\n", 2, f"[1]: {NOT_AN_ID}"),
    ("a.yml", "- ${CANARY}\n", 1, f"[0]: {NOT_AN_ID}"),
    ("a.yml", "- ''\n", 1, f"[0]: {NOT_AN_ID}"),
    ("a.yml", f"- {'a' * 129}\n", 1, f"[0]: {NOT_AN_ID}"),
    ("a.yml", "- true\n", 1, f"[0]: {NOT_AN_ID}"),
    ("a.yml", "- a\n- 12\n", 2, "[1]: is a number; quote it"),
    ("a.yml", "tasks:\n- a\nvideos:\n- [CANARY]\n", 4, f"videos[0]: {NOT_AN_ID}"),
    ("a.yml", "- a\n\n- no\n", 3, "the value is a boolean in YAML 1.1; write true or false, or quote it if it is text"),
    ("a.yml", "CANARY\n", 1, SHAPE),
    ("a.yml", "tasks: []\nCANARY: []\n", 2, NEITHER),
    ("a.yml", "tasks: CANARY\n", 1, "tasks: is not a list; write a list of ids"),
    ("a.yml", "tasks:\n", 1, "the value is missing; write one, or remove the key"),
    ("a.yml", "tasks: []\ntasks: []\n", 2, "is given twice, first on line 1; keep one"),
    ("a.yml", "- a\n- 'CANARY\n", 3, "the quote that starts on line 2 is not closed; close it"),
    ("a.yml", b"- a\n- \xff\n", 2, "is not UTF-8; save the file as UTF-8"),
    ("a.json", b'["a",\n"\xff"]', 2, "is not UTF-8; save the file as UTF-8"),
    ("a.json", " \n", 1, "is empty; write [] to name nothing"),
    ("a.json", "- a\n", 1, ODD_JSON),
    ("a.json", '["a",\n"CANARY"', 2, ODD_JSON),
    ("a.json", '["a"]\n["CANARY"]', 2, ODD_JSON),
    ("a.json", '"CANARY"', 1, SHAPE),
    ("a.json", "[" * 100_000, 1, "is nested too deeply here; check quotes, commas and brackets"),
    ("a.json", '["a",\n\n"CANARY x"]', 3, f"[1]: {NOT_AN_ID}"),
    ("a.json", '["a",\n12]', 2, "[1]: is a number; quote it"),
    ("a.json", '["a",\n' + "9" * 5000 + "]", 2, "[1]: is a number; quote it"),
    ("a.json", '["a",\nNaN]', 2, "[1]: is a number; quote it"),
    ("a.json", '["a",\ntrue]', 2, f"[1]: {NOT_AN_ID}"),
    ("a.json", '["a",\nnull]', 2, f"[1]: {NOT_AN_ID}"),
    ("a.json", '{"tasks": [],\n"CANARY": ["tasks"]}', 2, NEITHER),
    ("a.json", '{"videos": ["tasks"],\n"tasks": "CANARY"}', 2, "tasks: is not a list; write a list of ids"),
    ("a.json", '{"tasks": ["a"],\n"videos": ["v",\n{"x": [1, 2]}]}', 3, f"videos[1]: {NOT_AN_ID}"),
    ("a.json", '{"tasks": [],\n"videos": ["tasks"],\n"tasks": []}', 3, "a key is given twice; keep one"),
]


@pytest.mark.parametrize(("name", "content", "line", "fault"), BROKEN)
def test_a_broken_file_keeps_its_last_valid_ids_and_is_logged_once(
    name: str, content: str | bytes, line: int, fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / name, '["good"]')
    account = Account(path).refresh()
    write(path, content)
    account.refresh().refresh()
    first = account.tasks, logged(caplog)
    write(path, '["mended"]')
    account.refresh().refresh()

    assert first == ({name: ("good",)}, [("WARNING", line, fault)])
    assert "CANARY" not in caplog.text
    assert (account.tasks, logged(caplog)) == ({name: ("mended",)}, [WELL])


def test_the_log_names_account_and_file_and_shows_no_content(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A pattern may match the configuration itself, or a file with a key."""
    path = write(tmp_path / "a.yml", "accounts:\n  - access_key_secret: CANARY\n    x: 012CANARY\n")
    Account(path).refresh()

    (record,) = caplog.records
    assert {"account": "prod", "file": str(path), "line": 1}.items() <= vars(record).items()
    assert not any("CANARY" in str(value) for value in vars(record).values())


def test_a_file_that_breaks_again_is_logged_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    account = Account(path := write(tmp_path / "a.yml", "- 1\n"))
    path.rename(tmp_path / "aside")
    for _ in range(2):
        os.link(tmp_path / "aside", path)
        account.refresh()
        for content in ("[a]", "[b]"):
            write(path, content)
            account.refresh()
        path.unlink()

    broken = ("WARNING", 1, "[0]: is a number; quote it")
    assert logged(caplog) == [broken, WELL, broken, WELL]


def test_each_new_fault_of_a_file_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.yml", "- 1\n")
    account = Account(path).refresh()
    for content in ("- 1\n- a\n", "- a b\n"):
        write(path, content)
        account.refresh()

    faults = [f"[0]: {NOT_AN_ID}" if " b" in text else "[0]: is a number; quote it" for text in ("1", "1", "a b")]
    assert logged(caplog) == [("WARNING", 1, fault) for fault in faults]


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("name", "limit", "remedy"),
    [
        ("a.json", MAX_BYTES, "16 MiB; split it"),
        pytest.param(
            *("a.yml", MAX_YAML_BYTES, "1 MiB; write it as JSON, to a file whose name ends in .json"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_file_may_be_as_large_as_its_limit_and_no_larger(
    name: str, limit: int, remedy: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / name, '["good"]'.ljust(limit))
    account = Account(path).refresh()
    write(path, '["larger"]'.ljust(limit + 1))
    account.refresh()

    assert account.tasks == {name: ("good",)}
    assert logged(caplog) == [("WARNING", 1, f"is larger than {remedy}")]


def test_a_file_that_disappears_names_nothing_until_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "a.yml", "tasks: [a]\nvideos: [v]\n")
    account = Account(path).refresh()
    path.unlink()
    account.refresh().refresh()
    gone = account.tasks, account.videos.is_named("v"), logged(caplog)
    write(path, "tasks: [a]\nvideos: [v]\n")
    account.refresh()

    assert gone == ({}, False, [GONE])
    assert (account.tasks, account.videos.is_named("v"), logged(caplog)) == ({"a.yml": ("a",)}, True, [])


def test_ids_that_move_to_another_file_are_named_without_a_gap(tmp_path: Path) -> None:
    path = write(tmp_path / "b.yml", "[a]")
    account = Account(tmp_path / "*.yml").refresh()
    path.rename(tmp_path / "c.yml")
    account.refresh()

    assert account.ledger.calls[1:] == [(f"file {tmp_path}/c.yml", ("a",)), (f"file {path}", ())]


def test_a_broken_file_that_disappears_names_nothing_and_comes_back_as_new(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "a.yml", "[good]")
    account = Account(path).refresh()
    write(path, "[")
    account.refresh()
    path.unlink()
    account.refresh()
    write(path, "[")
    account.refresh()

    assert account.tasks == {}
    assert [level for level, *_ in logged(caplog)] == ["WARNING", "INFO", "WARNING"]


def test_patterns_find_later_files_and_skip_folders_and_hidden_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    account = Account(tmp_path / "t" / "*.yml", tmp_path / "t" / "[ab].yml", tmp_path / "deep" / "**" / "*.json")
    account.refresh()
    before = account.tasks
    write(tmp_path / "t" / "a.yml", "[a]")
    write(tmp_path / "t" / "c.yml", "[c]")
    write(tmp_path / "t" / ".hidden.yml", "[h]")
    write(tmp_path / "t" / "other.txt", "[o]")
    write(tmp_path / "deep" / "x" / "y" / "d.json", '["d"]')
    (tmp_path / "t" / "folder.yml").mkdir()
    os.mkfifo(tmp_path / "t" / "pipe.yml")
    (tmp_path / "t" / "dangling.yml").symlink_to("nowhere")
    account.refresh().refresh()

    assert before == {}
    assert account.tasks == {"a.yml": ("a",), "c.yml": ("c",), "d.json": ("d",)}
    assert len(account.ledger.calls) == 3  # a file that two patterns match is named once
    fifo = "cannot be read (it is a FIFO, not a regular file); make it readable by the exporter"
    assert logged(caplog) == [("WARNING", 1, fifo)]


def test_a_change_behind_a_symbolic_link_is_seen(tmp_path: Path) -> None:
    """Kubernetes mounts a ConfigMap as links through `..data`, which it replaces."""
    for version in ("1", "2"):
        write(tmp_path / f"..{version}" / "a.yml", f"[v{version}]")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "a.yml").symlink_to("..data/a.yml")
    account = Account(tmp_path / "*.yml").refresh()
    first = account.tasks
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").replace(tmp_path / "..data")

    assert (first, account.refresh().tasks) == ({"a.yml": ("v1",)}, {"a.yml": ("v2",)})


def test_a_file_that_has_not_changed_is_neither_read_nor_named_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(write(tmp_path / "a.yml", "[a]"), write(tmp_path / "broken.yml", "[")).refresh()
    calls = list(account.ledger.calls)
    monkeypatch.setattr(module, "_read", lambda path: pytest.fail(f"{path} is read again"))
    account.refresh()

    assert account.ledger.calls == calls


def test_a_change_of_the_same_size_and_time_is_seen_by_the_inode(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yml", "[a]")
    at = path.stat().st_mtime_ns
    account = Account(path).refresh()
    os.utime(write(path, "[b]"), ns=(at, at))

    assert account.refresh().tasks == {"a.yml": ("b",)}


def test_a_file_that_was_just_written_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.yml", "[a]")
    reads: list[str] = []
    read = module._read

    def noted(path: str) -> object:
        reads.append(path)
        return read(path)

    monkeypatch.setattr(module, "_read", noted)
    now = path.stat().st_mtime
    files = Files([str(path)], clock=lambda: now)
    for at in (0.0, 0.5, 1.5, 5.0, 10.0):
        now = path.stat().st_mtime + at
        files.name(RecordingLedger(), Videos())

    assert len(reads) == 3


def test_a_file_that_hangs_keeps_its_ids(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, hanging_files: set[str]
) -> None:
    path = write(tmp_path / "a.yml", "[a]")
    account = Account(path).refresh()
    write(path, "[b]")
    hanging_files.add(str(path))
    account.refresh().refresh()
    fault = "cannot be read (its disk or pipe does not answer)"
    assert (account.tasks, logged(caplog)) == (
        {"a.yml": ("a",)},
        [("WARNING", 0, f"{fault}; check the disks of track.files")],
    )
    hanging_files.clear()
    account.refresh()
    assert account.tasks == {"a.yml": ("b",)}


def test_a_file_that_hangs_while_it_is_read_keeps_its_ids_and_the_others_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, hanging_files: set[str]
) -> None:
    account = Account(tmp_path / "*.yml")
    paths = [write(tmp_path / name, "[old]") for name in ("a.yml", "b.yml")]
    account.refresh()
    for path in paths:
        write(path, "[new]")
    hanging_files.add(str(paths[0]))
    account.refresh().refresh()
    fault = "cannot be read (its disk or pipe does not answer); make it readable by the exporter"
    assert (account.tasks, logged(caplog)) == ({"a.yml": ("old",), "b.yml": ("new",)}, [("WARNING", 1, fault)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_or_folder_without_permission_keeps_its_ids(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "t" / "a.yml", "[a]")
    account = Account(tmp_path / "t" / "*.yml").refresh()
    for denied_path, mode in ((path, 0o600), (path.parent, 0o700)):
        denied_path.chmod(0)
        account.refresh().refresh()
        denied = logged(caplog)
        denied_path.chmod(mode)
        account.refresh().refresh()

        fault = "cannot be read (Permission denied); make it readable by the exporter"
        assert (account.tasks, denied) == ({"a.yml": ("a",)}, [("WARNING", 1, fault)])
        assert logged(caplog) == [WELL]


@pytest.mark.parametrize("function", ["os.stat", "exporter.tracking.files._read"])
def test_a_file_that_cannot_be_read_for_a_while_keeps_its_ids(
    function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a file server that cannot be reached. The error is simulated, because root may read everything."""
    path = write(tmp_path / "a.yml", "[a]")
    account = Account(path).refresh()
    if "_read" in function:
        write(path, "[b]")

    def fail(_: object) -> None:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr("glob.iglob", lambda *_, **__: iter(()))
        patch.setattr(function, fail)
        account.refresh().refresh()
    kept = account.tasks, logged(caplog)
    account.refresh()

    fault = "cannot be read (Stale file handle); make it readable by the exporter"
    assert kept == ({"a.yml": ("a",)}, [("WARNING", 1, fault)])
    assert account.tasks == {"a.yml": ("b",) if "_read" in function else ("a",)}
    assert logged(caplog) == [WELL]


def test_ids_are_named_again_until_the_store_can_be_read(tmp_path: Path) -> None:
    account = Account(write(tmp_path / "a.yml", "[a]"))
    account.ledger.is_blind = True
    account.refresh().refresh()
    account.ledger.is_blind = False
    account.refresh().refresh()

    assert len(account.ledger.calls) == 3


def test_ids_that_could_not_be_named_are_named_at_the_next_refresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(write(tmp_path / "a.yml", "tasks: [a]\nvideos: [v]\n"))

    def fail(*_: object, **__: object) -> None:
        raise StateError("away")

    with monkeypatch.context() as patch:
        patch.setattr(account.videos, "name", fail)
        with pytest.raises(StateError):
            account.refresh()

    assert account.refresh().videos.is_named("v")


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["no id"]], ids=["good", "malformed"])
def test_time_to_load_ids_from_json_grows_no_faster_than_their_number(tmp_path: Path, more: list[str]) -> None:
    def loading(count: int) -> Callable[[], object]:
        ids = [*(f"{number:032x}" for number in range(count)), *more]
        path = write(tmp_path / f"{count}.json", json.dumps({"tasks": ids}, indent=1))

        def load() -> None:
            account = Account(path)
            account.refresh()
            assert len(account.ledger.tasks()) == (0 if more else count)

        return load

    assert growth(loading(5_000), loading(20_000), rounds=3) < 10


FINITE = st.floats(allow_nan=False, allow_infinity=False)  # the others are no JSON, and text to YAML
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=8) | st.sampled_from(["a", "tasks"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["tasks", "videos", "x"]), inner),
    max_leaves=20,
)


@given(VALUES | st.dictionaries(st.sampled_from(["tasks", "videos"]), st.lists(VALUES, max_size=4)))
def test_a_fault_in_json_is_reported_with_its_line(document: object) -> None:
    """The YAML reader knows the lines. For a text that both readers accept, both must report the same line."""
    text = json.dumps(document, indent=1)
    try:
        expected: object = module._from_yaml(text)
    except module._BrokenError as error:
        expected = error.line
        if "the value" in str(error) or "hold" in str(error):
            return  # a fault only in YAML
    try:
        found: object = module._from_json(text)
    except module._BrokenError as error:
        found = error.line

    assert found == expected


def test_a_pattern_that_matches_the_state_does_not_open_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Seen: the exporter closed its own state, lost its lock, and a second exporter counted everything twice."""
    state = tmp_path / "state.db"
    store = SqliteStore(state)
    store.load("prod", now=0.0)
    write(tmp_path / "ids.yml", "[t1]")
    (tmp_path / "link.db").symlink_to(state)
    os.link(state, tmp_path / "hard.db")
    ledger = RecordingLedger()
    Files([f"{tmp_path}/*"], state=state).name(ledger, Videos())
    opens = f"SqliteStore(Path({str(state)!r}))"
    script = f"from pathlib import Path; from exporter.tracking.sqlite import SqliteStore; {opens}"
    second = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    store.close()

    assert "in use by another process" in second.stderr
    assert [ids for _, ids in ledger.calls] == [("t1",)]
    assert logged(caplog) == []
