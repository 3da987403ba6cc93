"""One Prometheus for all tests of this folder, with the made series of `history`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.grafana import history
from tests.grafana.expressions import interpolated
from tests.integration.programs import running_prometheus

# Prometheus marks the series of a target that does not answer as ended. Files cannot have such marks, so series end
# here 90 seconds after their last sample.
_FLAGS = ("--storage.tsdb.retention.time=100y", "--query.lookback-delta=90s")
CHOSEN = {
    **dict.fromkeys(("job", "instance", "account", "definition"), ".+"),
    "__rate_interval": "2m",
    "__interval": "5m",
    "__range": "3h",
    "objective": "99",
    "recent": "1h",
    "before": "1d",
    "job_id": "running",
    "status_page": "http://localhost:10870",
}
"""The variables, unless a test has others: a person looks at the last three hours."""

Rows = list[dict[str, Any]]
Ask = Callable[..., Rows]


@pytest.fixture(scope="session")
def prometheus(tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "history.om").write_text("".join(history.lines()))
    command = ["tsdb", "create-blocks-from", "--max-block-duration=480h", "openmetrics", "history.om", "data"]
    subprocess.run([tool("promtool"), *command], cwd=folder, check=True, capture_output=True, timeout=120)
    with running_prometheus(tool("prometheus"), folder, "{}", *_FLAGS) as address:
        yield address


@pytest.fixture
def ask(prometheus: str) -> Iterator[Ask]:
    """The instant vector of a query as a panel has it, at a time of `history`."""
    with requests.Session() as session:

        def rows(expression: str, at: float, **variables: str) -> Rows:
            query = interpolated(expression, {**CHOSEN, **variables})
            answer = session.post(f"{prometheus}/api/v1/query", data={"query": query, "time": at}, timeout=60).json()
            assert answer["status"] == "success", f"{answer.get('error')}: {query}"
            found: Rows = answer["data"]["result"]
            return found

        yield rows
