"""Text that must not be shown: keys, secrets and tokens."""

from __future__ import annotations

from pydantic import Secret


class SecretText(Secret[str]):
    """Prints as `<secret>` by `str`, `repr`, `format` and in a model's JSON; `get_secret_value()` gives the text."""

    def _display(self) -> str:
        return "<secret>"

    def __format__(self, spec: str) -> str:
        return format(self._display(), spec)
