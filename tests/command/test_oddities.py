"""What `check-config` warns about: each oddity alone, and nothing without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter import config
from exporter.command.oddities import exposed, oddities
from exporter.config import Account, AccountKeys, Settings, State, Track
from exporter.keys import Key
from exporter.websecurity.current import WebConfig
from tests.websecurity.conftest import TLS, write

HASH = "$2y$04$zFagq7uesUhm6GJdZVY90uBFBuDwbbgCJArzgFFSwtA1ypVovrvPC"
ID, SECRET = "LTAI5tCANARYid000000000", "CANARYsecret0000000000000000000"


def warnings(keys: AccountKeys | None = None, *, state: State | None = None, **account: object) -> list[str]:
    made = Account(name="prod", region="cn-shanghai", credentials=keys, **account)  # type: ignore[arg-type]
    found = list(oddities(Settings(accounts=(made,), state=state or State(memory=True))))
    assert "CANARY" not in "".join(found)
    return found


def keys(identity: str, secret: str, token: str | None = None) -> AccountKeys:
    return AccountKeys(
        access_key_id=Key(identity), access_key_secret=Key(secret), security_token=Key(token) if token else None
    )


@pytest.mark.parametrize(
    "given", [None, keys(ID, SECRET), keys("STS.CANARY", SECRET, "CANARY"), keys("simulator", "simulatorsecret")]
)
def test_nothing_is_odd_about_usual_keys(given: AccountKeys | None) -> None:
    assert warnings(given) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        *(
            (keys(SECRET, start), "starts like an AccessKey id (LTAI or STS.); exchange it and")
            for start in (ID, "STS.CANARY")
        ),
        (keys(ID, ID), "access_key_secret starts like an AccessKey id"),
        (keys("STS.CANARY", SECRET), "security_token is missing; add it"),
        (keys(ID, SECRET, "CANARY"), "remove security_token"),
    ],
)
def test_keys_that_do_not_fit_together_are_reported(given: AccountKeys, text: str) -> None:
    (line,) = warnings(given)
    assert line.startswith("account prod: ")
    assert text in line


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_keys_in_files_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "id").write_text(SECRET + "\n")
    private(tmp_path / "secret", ID + "\n")
    given = AccountKeys(access_key_id_file=Key(tmp_path / "id"), access_key_secret_file=Key(tmp_path / "secret"))
    (line,) = warnings(given)
    assert "exchange it and access_key_id" in line


@pytest.mark.parametrize(("rate", "count"), [(15.0, 0), (15.5, 1), (20.0, 1)])
def test_more_calls_a_second_than_vod_allows_are_reported(rate: float, count: int) -> None:
    found = warnings(requests_per_second=rate)
    assert len(found) == count
    if found:
        assert found[0].startswith(f"account prod: requests_per_second is {rate:g}, and VOD allows 15 ")


def test_a_pattern_that_no_file_matches_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("[]")
    patterns = (f"{tmp_path}/*.yml", f"{tmp_path}/**/*.json")
    assert warnings(track=Track(files=patterns)) == [
        f"account prod: track.files: no file matches {patterns[1]}; correct the pattern, if files should be there now"
    ]


def test_a_state_folder_that_is_not_there_is_reported(tmp_path: Path) -> None:
    assert warnings(state=State(path=tmp_path / "state.db")) == []
    folder = tmp_path / "none"
    assert warnings(state=State(path=folder / "state.db")) == [
        f"state.path: the folder {folder} does not exist here; create it, or the exporter does not start"
    ]


def test_nothing_is_odd_about_the_smallest_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yml"
    path.write_text("accounts: [{name: a, region: cn-shanghai}]\n")
    monkeypatch.chdir(tmp_path)
    assert list(oddities(config.load(path))) == []


SECRET_FILES = """\
accounts:
  - name: prod
    region: cn-shanghai
    credentials: {access_key_id: LTAI5tCANARYid, access_key_secret_file: secret, security_token_file: token}
    callback: {url: https://example.com/callback/prod, key_file: callback}
api: {token_file: api}
"""


def exposed_files(folder: Path, text: str, **environ: str) -> list[str]:
    (folder / "exporter.yml").write_text(text)
    return [path.name for path in exposed(config.load(folder / "exporter.yml", environ=environ))]


def test_files_with_secrets_that_others_may_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration has only an AccessKey id, which is no secret. A state is not there yet."""
    monkeypatch.chdir(tmp_path)
    names = ["secret", "token", "callback", "api"]
    for name in names:
        private(tmp_path / name, "CANARY0123456789")
    assert exposed_files(tmp_path, SECRET_FILES) == []
    names.append("vod-transcode-exporter.db")
    for name in names:
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o604)
    assert exposed_files(tmp_path, SECRET_FILES) == names
    for name in names:
        (tmp_path / name).chmod(0o640)
    assert exposed_files(tmp_path, SECRET_FILES) == []


@pytest.mark.parametrize(("secret", "found"), [("CANARYsecret", ["exporter.yml"]), ("${SECRET}", [])])
def test_a_configuration_that_others_may_read_is_named_if_a_secret_is_written_in_it(
    tmp_path: Path, secret: str, found: list[str]
) -> None:
    credentials = f'{{access_key_id: i, access_key_secret: "{secret}"}}'
    text = f"accounts: [{{name: a, region: cn-shanghai, credentials: {credentials}}}]\nstate: {{memory: true}}\n"
    assert exposed_files(tmp_path, text, SECRET="CANARY") == found


def test_an_exposed_file_is_a_warning_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.touch()
    path.chmod(0o644)
    (line,) = warnings(state=State(path=path))
    assert line == f"{path} has secrets, and every user of this machine may read it; run chmod 600 on it"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"basic_auth_users: {{alice: {HASH}}}\n", ["web.yml"]),
        ("http_server_config: {http2: false}\n", []),
        (TLS, ["server.key"]),
        (f"{TLS}basic_auth_users: {{alice: {HASH}}}\n", ["web.yml", "server.key"]),
    ],
    ids=["passwords", "no secret", "a key file", "both"],
)
def test_files_of_the_web_configuration_with_secrets_are_named(folder: Path, text: str, found: list[str]) -> None:
    """`folder` has a certificate, which is no secret."""
    path = write(folder, text)
    for file in folder.iterdir():
        file.chmod(0o644)
    settings = Settings(accounts=(Account(name="prod", region="cn-shanghai"),), state=State(memory=True))
    assert [file.name for file in exposed(settings, WebConfig(path))] == found
    for name in found:
        (folder / name).chmod(0o640)
    assert exposed(settings, WebConfig(path)) == []
