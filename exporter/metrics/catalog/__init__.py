"""Declares every metric once: name, type, labels and HELP text. Other modules use these constants, never a name.

A test compares `docs/metrics.md` with this package. The HELP text of a job or task metric names its field in the
response of GetTranscodeTask. Names, types and labels are a contract with dashboards and alerts. Each module ends with
the tuple of its metrics.
"""

from exporter.metrics.catalog.accounts import *
from exporter.metrics.catalog.jobs import *
from exporter.metrics.catalog.metric import Metric as Metric
from exporter.metrics.catalog.tasks import *
from exporter.metrics.catalog.telemetry import *
from exporter.metrics.catalog.totals import *

COLLECTED = (*ACCOUNTS, *AGGREGATES, *TASK, *JOB)
"""The metrics that are made from a snapshot, in the order of the exposition."""

CATALOG = COLLECTED + COUNTED
