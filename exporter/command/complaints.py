"""Messages on stderr for the user of the command line."""

from __future__ import annotations

import sys

from exporter.command.help import PROGRAM
from exporter.command.terminal import COMPLAINTS, coloured
from exporter.masks import mask
from exporter.text import clean


def complain(*lines: str) -> None:
    """Print each line to stderr after the name of the program, without secrets and control characters."""
    for line in lines:
        print(coloured(f"{PROGRAM}: {mask(clean(line))}", sys.stderr, COMPLAINTS), file=sys.stderr)
