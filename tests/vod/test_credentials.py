"""Keys from the configuration, and from files that rotate."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from exporter.errors import CredentialsError
from exporter.keys import Key, SecretText
from exporter.vod import credentials
from exporter.vod.credentials import ConfiguredKeys, Credentials, Keys


def shown(keys: Keys) -> tuple[str, str, str | None]:
    token = keys.security_token
    return keys.access_key_id, keys.access_key_secret.get_secret_value(), token.get_secret_value() if token else None


def replace(path: Path, text: str) -> None:
    """Replace a file as a rotation does: a new file gets the name."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


class CountingKey(Key):
    """Counts how often it was read."""

    def __init__(self, source: str | Path) -> None:
        super().__init__(source)
        self.reads = 0

    def read(self) -> SecretText:
        self.reads += 1
        return super().read()


class Files:
    """Keys with the id as text, and with secret and token in files."""

    def __init__(self, folder: Path) -> None:
        self.secret = folder / "secret"
        self.token = folder / "token"
        self.secret.write_text("secret-1\n")
        self.token.write_text("token-1\n")
        self.secret_key = CountingKey(self.secret)
        self.keys = ConfiguredKeys(
            access_key_id=Key("id"), access_key_secret=self.secret_key, security_token=Key(self.token)
        )


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_keys_print_without_anything_secret() -> None:
    keys = Keys("CANARY", SecretText("CANARY"), SecretText("CANARY"))
    assert "CANARY" not in f"{keys} {keys!r}"


def test_keys_given_as_text_are_used_as_given() -> None:
    given: Credentials = ConfiguredKeys(access_key_id=Key("id"), access_key_secret=Key("secret"))
    given.renew()
    assert shown(given.keys()) == ("id", "secret", None)


def test_text_and_files_mix(files: Files) -> None:
    mixed: Credentials = files.keys
    assert shown(mixed.keys()) == ("id", "secret-1", "token-1")


def test_files_that_have_not_changed_are_not_read_again(files: Files) -> None:
    first = files.keys.keys()
    assert files.keys.keys() is first
    assert files.secret_key.reads == 1


def test_rotated_files_are_read_again(files: Files) -> None:
    files.keys.keys()
    replace(files.secret, "secret-2")
    replace(files.token, "token-2")
    assert shown(files.keys.keys()) == ("id", "secret-2", "token-2")


def test_a_new_file_of_equal_size_and_time_is_read_again(files: Files) -> None:
    """`cp -p` and secret mounts keep the time; the inode differs."""
    files.keys.keys()
    status = files.secret.stat()
    new = files.secret.with_suffix(".new")
    new.write_text("secret-2\n")
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(files.secret)
    assert shown(files.keys.keys())[1] == "secret-2"


def test_after_renew_files_are_read_again_even_if_they_look_unchanged(files: Files) -> None:
    files.keys.keys()
    files.keys.renew()
    files.keys.keys()
    assert files.secret_key.reads == 2


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: replace(path, "\n"), lambda path: replace(path, "a\nb")])
def test_a_file_spoiled_in_a_rotation_keeps_the_last_good_keys_and_logs_once(
    spoil: Any, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    files.keys.keys()
    spoil(files.secret)
    assert [shown(files.keys.keys()) for _ in range(3)] == [("id", "secret-1", "token-1")] * 3
    assert len(caplog.records) == 1
    assert str(files.secret) in caplog.text
    files.secret.write_text("secret-2")
    assert shown(files.keys.keys())[1] == "secret-2"
    files.secret.unlink()
    files.keys.keys()
    assert len(caplog.records) == 2  # a new failure is logged again


def test_no_good_key_yet_is_an_error_that_names_the_file(files: Files) -> None:
    files.secret.unlink()
    with pytest.raises(CredentialsError) as caught:
        files.keys.keys()
    assert caught.value.code == "NoCredentials"
    assert str(caught.value) == (
        f"the key file '{files.secret}' cannot be read (No such file or directory); "
        "write the key to this file, and make it readable by the exporter"
    )
    files.secret.write_text("secret-2")
    assert shown(files.keys.keys())[1] == "secret-2"


def test_an_id_and_a_secret_from_two_sides_of_a_rotation_are_not_mixed(tmp_path: Path) -> None:
    """Both files are replaced after the id has been read and before the secret is read."""
    identity, secret = tmp_path / "id", tmp_path / "secret"
    identity.write_text("id-1")
    secret.write_text("secret-1")

    class RotatedAfterRead(CountingKey):
        def read(self) -> SecretText:
            found = super().read()
            if self.reads == 1:
                replace(identity, "id-22")
                replace(secret, "secret-22")
            return found

    keys = ConfiguredKeys(access_key_id=RotatedAfterRead(identity), access_key_secret=Key(secret)).keys()
    assert shown(keys) == ("id-22", "secret-22", None)


def test_a_key_file_that_hangs_keeps_the_last_good_keys(
    files: Files, hanging_files: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    keys = files.keys.keys()
    hanging_files.add(str(files.secret))
    assert [files.keys.keys() for _ in range(3)] == [keys] * 3
    fault = f"the key file '{files.secret}' cannot be read (its disk or pipe does not answer)"
    assert [record.getMessage() for record in caplog.records] == [f"{fault}; the keys read before stay in use"]


def test_many_threads_get_whole_keys_while_files_rotate(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret-0")
    keys = ConfiguredKeys(access_key_id=Key("id"), access_key_secret=Key(secret))
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(keys.keys) for _ in range(200)]
        for turn in range(50):
            replace(secret, f"secret-{turn}")
    assert all(shown(future.result())[1].startswith("secret-") for future in found)
    assert shown(keys.keys())[1] == "secret-49"


def test_our_log_is_named_after_the_module() -> None:
    assert logging.getLogger("exporter.vod.credentials") is credentials._log
