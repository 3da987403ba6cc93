"""The text of a key, from the configuration or from a file of its own."""

from __future__ import annotations

from pathlib import Path

from exporter.secret import SecretText

MAX_BYTES = 64 << 10


def key_text(text: str) -> SecretText:
    """`text` as a key; raises `ValueError`, whose words follow a subject and do not show `text`.

    Keys travel in HTTP headers: a line break or a non-ASCII character in one is a mistake, or an attack.
    """
    if not text:
        raise ValueError("is empty")
    if not all("!" <= character <= "~" for character in text):
        raise ValueError("holds a space, a line break or a character that no key has")
    return SecretText(str(text))


def read_key(path: Path) -> SecretText:
    """The key that the file at `path` holds, without the white space around it; raises `ValueError` as `key_text`."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    except ValueError:
        raise ValueError("has a name that no file can have") from None
    if len(raw) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES >> 10} KiB")
    return key_text(raw.decode("ascii", "replace").strip())
