"""The cost of a start: time to the first answer, and memory, with and without a stored state.

    python benchmarks/start.py [JOBS]

Each run starts `vod-transcode-exporter run` in its own process. The state file has JOBS finished jobs that are still
shown, or none; the two take turns. There are no calls to VOD, because nothing is unfinished.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import requests

from benchmarks.state import fill
from exporter.web.listener import listen

REPEATS = 5
CONFIG = """\
accounts:
  - name: prod
    endpoint: http://127.0.0.1:9
    credentials: {{access_key_id: none, access_key_secret: none}}
    track: {{discovery: {{enabled: false}}}}
series: {{retention: 1d, max_jobs: 1000000}}
state: {{path: {state}}}
"""


def main(jobs: int) -> None:
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}")
    print("".join(f"{head:>16}" for head in ("known jobs", "first answer s", "second ms", "answer MB", "resident MB")))
    runs: dict[int, list[Sequence[float]]] = {0: [], jobs: []}
    with tempfile.TemporaryDirectory() as folder:
        for size in runs:
            fill(Path(folder) / f"{size}.db", size, unfinished=0)
        for _ in range(REPEATS):
            for size, some in runs.items():
                some.append(start(Path(folder), size))
    medians = {size: [median(figures) for figures in zip(*some, strict=True)] for size, some in runs.items()}
    for size, figures in medians.items():
        print(f"{size:>16,}" + "".join(f"{figure:>16,.2f}" for figure in figures))
    ratios = (more / less for less, more in zip(medians[0], medians[jobs], strict=True))
    print(f"{'ratio':>16}" + "".join(f"{ratio:>16,.2f}" for ratio in ratios))


def start(folder: Path, size: int) -> Sequence[float]:
    """Seconds until the first answer, milliseconds of the second, megabytes of an answer and of the process."""
    with listen("127.0.0.1:0") as free:
        port = free.getsockname()[1]
    path = folder / f"{size}.yml"
    path.write_text(CONFIG.format(state=folder / f"{size}.db"))
    command = [sys.executable, "-m", "exporter", "run", f"--config.file={path}"]
    started = time.monotonic()
    with subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL) as process:
        answer = None
        while answer is None:
            try:
                answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=60)
            except requests.ConnectionError:
                time.sleep(0.01)
        first = time.monotonic() - started
        again = time.monotonic()
        requests.get(f"http://127.0.0.1:{port}/metrics", timeout=60)
        second = time.monotonic() - again
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.terminate()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return first, second * 1e3, len(answer.content) / 1e6, resident / 1e3


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
