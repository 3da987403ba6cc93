"""`python -m exporter.config` prints the JSON Schema of the configuration file, for editors."""

import json
import sys

from exporter.config import schema

if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
