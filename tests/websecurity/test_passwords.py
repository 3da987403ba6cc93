"""Passwords: which are right, what a check costs, and how many may wait."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections import Counter
from collections.abc import Iterator

import bcrypt
import pytest

from exporter.keys import SecretText
from exporter.websecurity.passwords import MAX_WAITING, BusyError, Passwords


def stored(password: str, *, cost: int = 4, kind: str = "2b") -> SecretText:
    made = bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()
    return SecretText(made.replace("$2b$", f"${kind}$"))


USERS = {"alice": stored("right"), "bob": stored("böb's", cost=5)}


def basic(text: str | bytes, *, scheme: str = "Basic") -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    return f"{scheme} {base64.b64encode(raw).decode()}"


def accepted(*headers: str, users: dict[str, SecretText] | None = None, by: Passwords | None = None) -> list[bool]:
    async def run() -> list[bool]:
        checker = by or Passwords()
        return [await checker.accept(USERS if users is None else users, header) for header in headers]

    return asyncio.run(run())


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The hashes that bcrypt was asked about."""
    asked: list[bytes] = []
    check = bcrypt.checkpw

    def noted(password: bytes, hashed: bytes) -> bool:
        asked.append(hashed)
        return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", noted)
    return iter([asked])


def test_the_password_of_a_user_is_accepted() -> None:
    assert accepted(basic("alice:right"), basic("bob:böb's"), basic("alice:right", scheme="basic")) == [True] * 3


@pytest.mark.parametrize("kind", ["2a", "2b", "2y"])
def test_hashes_of_all_usual_kinds_are_understood(kind: str) -> None:
    assert accepted(basic("u:p"), basic("u:q"), users={"u": stored("p", kind=kind)}) == [True, False]


def test_everything_else_is_refused() -> None:
    for header in [
        basic("alice:wrong"),
        basic("alice:"),
        basic("alice"),
        basic("eve:right"),
        basic("ALICE:right"),
        basic(":right"),
        basic("alice:right "),
        basic("alice:right\0"),
        basic(b"alice:righ\xff"),
        basic("alice:right", scheme="Bearer"),
        "",
        "Basic",
        "Basic YWxpY2U6cmlnaHQ",  # without padding
        "Basic YWxp*2U6cmlnaHQ=",
        "Basic \N{LATIN SMALL LETTER E WITH ACUTE}",
    ]:
        assert accepted(header) == [False]


def test_a_password_of_73_bytes_is_refused_although_its_first_72_are_right() -> None:
    users = {"u": stored("x" * 72)}
    assert accepted(basic("u:" + "x" * 72), basic("u:" + "x" * 73), users=users) == [True, False]


def test_a_password_may_have_a_colon_and_a_name_may_not() -> None:
    assert accepted(basic("u:a:b"), users={"u": stored("a:b")}) == [True]


def test_a_right_password_is_checked_once_and_a_wrong_one_each_time(checks: Iterator[list[bytes]]) -> None:
    (asked,) = checks
    by = Passwords()
    assert accepted(*[basic("alice:right")] * 3, *[basic("alice:wrong")] * 3, by=by) == [True] * 3 + [False] * 3
    assert len(asked) == 4
    assert accepted(basic("alice:right"), by=by) == [True]
    assert len(asked) == 4


def test_a_new_hash_ends_what_was_remembered() -> None:
    by = Passwords()
    assert accepted(basic("alice:right"), by=by) == [True]
    assert accepted(basic("alice:right"), users={"alice": stored("new")}, by=by) == [False]
    assert accepted(basic("alice:right"), users={"bob": stored("right")}, by=by) == [False]


def test_no_password_is_kept() -> None:
    by = Passwords()
    accepted(basic("alice:right"), by=by)
    assert b"right" not in b"".join(by._right.values())


def test_an_unknown_user_costs_a_check_of_the_hash_of_some_user(checks: Iterator[list[bytes]]) -> None:
    """Hashes may differ in cost. So which one is checked depends on the name, and does not change."""
    (asked,) = checks
    by = Passwords()
    assert not any(accepted(*[basic(f"nobody{n}:right") for n in range(40)] * 2, by=by))
    assert asked[:40] == asked[40:]
    used = Counter(asked[:40])
    assert set(used) == {hashed.get_secret_value().encode() for hashed in USERS.values()}


def test_one_check_runs_sixteen_wait_and_the_next_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, running, most = threading.Event(), Counter[str](), 0

    def held(*_: bytes) -> bool:
        nonlocal most
        running["now"] += 1
        most = max(most, running["now"])
        opened.wait(60)
        running["now"] -= 1
        return False

    async def run() -> list[bool | BaseException]:
        checker = Passwords()
        tasks = [asyncio.create_task(checker.accept(USERS, basic(f"u{n}:p"))) for n in range(MAX_WAITING + 3)]
        refused, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        assert all(isinstance(task.exception(), BusyError) for task in refused)
        opened.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    monkeypatch.setattr(bcrypt, "checkpw", held)
    results = asyncio.run(run())
    assert [type(result) for result in results] == [bool] * (MAX_WAITING + 1) + [BusyError] * 2
    assert most == 1


def test_a_remembered_user_does_not_wait_behind_others(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, by = threading.Event(), Passwords()
    assert accepted(basic("alice:right"), by=by) == [True]

    async def run() -> bool:
        tasks = [asyncio.create_task(by.accept(USERS, basic("alice:wrong"))) for _ in range(MAX_WAITING + 1)]
        await asyncio.sleep(0)
        result = await by.accept(USERS, basic("alice:right"))
        opened.set()
        await asyncio.gather(*tasks)
        return result

    monkeypatch.setattr(bcrypt, "checkpw", lambda *_: opened.wait(60) and False)
    assert asyncio.run(run())
