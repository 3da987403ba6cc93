"""Takes the pictures of the README from a running demo, in Chromium: `make pictures`.

This takes about a minute, so that the demo has something to show.
"""

from __future__ import annotations

import contextlib
import fcntl
import html
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FOLDER = Path(__file__).parent / "pictures"
COLUMNS, LINES = 112, 10
UPDATES = 9  # of the live line, every 5 seconds
LIMIT_BYTES = 200_000

_TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: transparent; }}
figure {{ display: inline-block; margin: 0; border-radius: 10px; overflow: hidden; }}
figcaption {{ background: #2d3643; padding: 9px 14px; font: 13px sans-serif; color: #a3adbb; }}
i {{ display: inline-block; width: 12px; height: 12px; border-radius: 50%; margin-right: 7px; vertical-align: -1px; }}
pre {{ margin: 0; padding: 14px 18px; background: #12161c; color: #e4e8ee; }}
pre {{ font: 14px/1.5 "DejaVu Sans Mono", monospace; }}
b {{ color: #7fd6a0; font-weight: 400; }} u {{ background: #e4e8ee; text-decoration: none; }}
</style><figure><figcaption><i style="background:#ff9a91"></i><i style="background:#f2c16b"></i><i
style="background:#7fd6a0"></i> demo</figcaption><pre><b>$</b> vod-transcode-exporter demo
{screen}<u> </u></pre></figure>"""


@contextlib.contextmanager
def demo() -> Iterator[int]:
    """Runs the demo on a pseudo-terminal. Yields the descriptor to read its output from."""
    read_end, demo_end = pty.openpty()
    fcntl.ioctl(demo_end, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    with subprocess.Popen([sys.executable, "-m", "exporter", "demo"], stdout=demo_end) as process:
        try:
            yield read_end
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
            os.close(demo_end)
            os.close(read_end)


def read(terminal: int, *, updates: int) -> str:
    """The output of the demo until it has written its live line `updates` times."""
    output, until = "", time.monotonic() + 120
    while output.count("\r\x1b[K") < updates:
        if time.monotonic() > until:
            raise SystemExit(f"the demo prints nothing more: {output!r}")
        if select.select([terminal], [], [], 1.0)[0]:
            output += os.read(terminal, 65536).decode()
    return output


def screen(output: str) -> str:
    """The final text of the terminal. A line that was rewritten has its last text."""
    lines = output.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r\x1b[K")[2] for line in lines)


def picture(browser: Browser, name: str, *, url: str = "", content: str = "", dark: bool = False) -> None:
    """Save a picture of the page at `url`, or of the figure in the HTML text `content`."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 1050}, color_scheme="dark" if dark else "light", device_scale_factor=1
    )
    page = context.new_page()
    path = FOLDER / f"{name}.png"
    if url:
        page.goto(url)
        page.screenshot(path=path)
    else:
        page.set_content(content)
        page.locator("figure").screenshot(path=path, omit_background=True)
    context.close()
    if path.stat().st_size > LIMIT_BYTES:
        raise SystemExit(f"{path} has {path.stat().st_size:,} bytes, more than {LIMIT_BYTES:,}")


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is not installed (Debian has it)")
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright, demo() as terminal:
        browser = playwright.chromium.launch(executable_path=chromium)
        output = read(terminal, updates=UPDATES)
        address = re.search(r"Status page +(\S+)", output)
        assert address is not None, output
        picture(browser, "terminal", content=_TERMINAL.format(screen=html.escape(screen(output))))
        picture(browser, "status", url=address[1])
        picture(browser, "status-dark", url=address[1], dark=True)
        browser.close()


if __name__ == "__main__":
    main()
