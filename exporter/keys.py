"""Secret keys: reads them from a text or a file, and keeps them out of every output."""

from __future__ import annotations

from pathlib import Path

from pydantic import Secret

from exporter import reading
from exporter.fingerprint import fingerprint

MAX_BYTES = 64 << 10  # a wrong path may be a huge file


class SecretText(Secret[str]):
    """The text of a key. `str`, `repr`, `format` and JSON give `<secret>`; `get_secret_value()` gives the text."""

    def _display(self) -> str:
        return "<secret>"

    def __format__(self, spec: str) -> str:
        return format(self._display(), spec)


class Key:
    """One key, given as its text or as the path of a file that contains it. `repr` never shows the text.

    `written_in` is the file in which the text is: its own, the configuration file, or None if it is in no file.

    The constructor raises `ValueError` if a text cannot be a key. Only `read` opens a file. The message of
    every `ValueError` here follows a subject, such as "the key", and does not show the text.
    """

    __slots__ = ("_source", "written_in")

    def __init__(self, source: str | Path, *, written_in: Path | None = None) -> None:
        self._source = source if isinstance(source, Path) else _checked(source)
        self.written_in = source if isinstance(source, Path) else written_in

    def __repr__(self) -> str:
        return f"Key({str(self._source)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self._source == other._source

    def __hash__(self) -> int:
        return hash(self._source)

    @property
    def path(self) -> Path | None:
        """The file that contains the key; None for a key that is given as text."""
        return self._source if isinstance(self._source, Path) else None

    def read(self) -> SecretText:
        """Return the key. A file is read at each call, because it may change; that takes at most `reading.SECONDS`.

        Raises `ValueError` if the file has no key or does not answer.
        """
        return _from_file(self._source) if isinstance(self._source, Path) else self._source

    def fingerprint(self) -> object:
        """Return a value that changes whenever the file changes: None for a text, and while there is no file."""
        try:
            return fingerprint(reading.status(self._source)) if isinstance(self._source, Path) else None
        except (OSError, ValueError):
            return None


def _checked(text: str) -> SecretText:
    # HTTP headers carry keys: a line break or a non-ASCII character in one is a mistake or an attack.
    if not text:
        raise ValueError("is empty")
    if not all("!" <= character <= "~" for character in text):
        raise ValueError("contains white space, a control character or a non-ASCII character")
    return SecretText(str(text))


def _from_file(path: Path) -> SecretText:
    try:
        raw = reading.read(path, MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    except ValueError:
        raise ValueError("has a name that no file can have") from None
    if len(raw) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES >> 10} KiB")
    return _checked(raw.decode("ascii", "replace").strip())
