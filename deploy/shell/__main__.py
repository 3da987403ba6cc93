"""Write completions for shells and the man page, made from the flags: `make shell`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import shtab
from argparse_manpage.manpage import Manpage

from exporter import __version__
from exporter.command.flags import tree
from exporter.command.help import ABOUT, PROGRAM

FOLDER = Path(__file__).parent


def texts() -> dict[str, str]:
    """The content of each file, by its name. It does not depend on the terminal and the date."""
    os.environ |= {"COLUMNS": "80", "SOURCE_DATE_EPOCH": "0"}
    return {
        f"{PROGRAM}.bash": _completion("bash"),
        f"_{PROGRAM}": _completion("zsh"),
        f"{PROGRAM}.1": _page(),
    }


def _completion(shell: str) -> str:
    parser = tree()
    for action in _actions(parser):
        if action.type is Path:
            action.complete = shtab.DIRECTORY if action.dest == "folder" else shtab.FILE  # type: ignore[attr-defined]
    return shtab.complete(parser, shell).rstrip("\n") + "\n"


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The flags and arguments of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)


def _page() -> str:
    page = Manpage(tree())
    page.description = ABOUT.rstrip(".")
    page.manual = "User commands"
    page.source = f"{PROGRAM} {__version__}"
    return str(page)


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text)
