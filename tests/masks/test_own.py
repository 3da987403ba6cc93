"""The secrets of the process: how many are known, how they are forgotten, and what is left of a cut one."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor

from exporter.masks.own import MAX_SECRETS, Secrets

TOKEN = "CAISzwJ1q6Ft5B2yfSjIr5fFP+/rr5rYgqs="


def found(secrets: Secrets, text: str) -> list[str]:
    return [text[start:end] for start, end in secrets.spans(text)]


def test_a_long_secret_is_found_in_a_word_and_twice() -> None:
    assert found(Secrets([TOKEN]), f"x{TOKEN}{TOKEN}y") == [TOKEN, TOKEN]


def test_a_long_secret_is_found_if_its_end_is_cut_off() -> None:
    secrets = Secrets([TOKEN])
    assert found(secrets, f"token {TOKEN[:20]}… and so on") == [TOKEN[:20]]
    assert found(secrets, TOKEN[:16]) == [TOKEN[:16]]
    assert found(secrets, TOKEN[:15]) == []


def test_a_short_secret_is_found_only_as_a_word() -> None:
    """It may be a part of a word, and other words must stay readable."""
    assert found(Secrets(["simulator"]), "a simulator, simulators, /simulator/truth") == ["simulator", "simulator"]
    assert found(Secrets(["simulator"], in_words=True), "simulators") == ["simulator"]


def test_a_secret_of_five_characters_or_less_is_not_looked_for() -> None:
    assert found(Secrets(["", "a", "abcde"]), "a abcde") == []


def test_the_longest_of_several_secrets_is_found() -> None:
    assert found(Secrets([TOKEN[:18], TOKEN, TOKEN[:25]]), f"is {TOKEN}.") == [TOKEN]


def test_the_secret_that_is_unused_for_longest_is_forgotten_with_all_its_forms() -> None:
    """A token is renewed every hour, and a process may run for years."""
    secrets = Secrets([TOKEN])
    for number in range(MAX_SECRETS):
        secrets.remember(f"{number:04}-0123456789abcdef")
        secrets.remember(f"{0:04}-0123456789abcdef")
    assert found(secrets, TOKEN) == []
    assert found(secrets, base64.b64encode(TOKEN.encode()).decode()) == []
    secrets.remember(f"{MAX_SECRETS:04}-0123456789abcdef")
    assert [found(secrets, f"{number:04}-0123456789abcdef") for number in (0, 1, 2)] == [
        [f"{0:04}-0123456789abcdef"],
        [],
        [f"{2:04}-0123456789abcdef"],
    ]


def test_forgotten_secrets_leave_nothing_behind() -> None:
    secrets = Secrets()
    sizes = []
    for number in range(3 * MAX_SECRETS):
        secrets.remember(f"{number:032x}"[::-1])
        if not (number + 1) % MAX_SECRETS:
            sizes.append(len(secrets._heads))
    assert max(sizes) < 20 * MAX_SECRETS
    assert max(sizes[1:]) <= 1.5 * sizes[0]


def test_secrets_are_remembered_while_others_are_looked_for() -> None:
    secrets = Secrets()
    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(secrets.remember, f"{number:04}-0123456789abcdef") for number in range(500)]
        readers = [pool.submit(found, secrets, f"{number:04}-0123456789abcdef") for number in range(200)]
        for writer in writers:
            writer.result()
        for reader in readers:
            reader.result()
