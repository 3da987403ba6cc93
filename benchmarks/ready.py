"""The server of the exporter with an answer that is ready: the floor of what a scrape costs.

python -m benchmarks.ready MEGABYTES PORT
"""

from __future__ import annotations

import sys

from starlette.responses import Response

from exporter.web.listener import listen
from exporter.web.server import Server


def main(megabytes: int, port: int) -> None:
    app = Response(b"x" * megabytes * 1_000_000, media_type="text/plain")
    Server(app, [listen(f"127.0.0.1:{port}")], timeout=60.0).serve_until_stopped()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
