"""`python -m exporter`: the same as `vod-transcode-exporter`."""

import sys

from exporter.command.cli import main

if __name__ == "__main__":
    sys.exit(main())
