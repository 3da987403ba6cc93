"""Latency is that of successful jobs: failures are fast, and would make it look better."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "deploy" / "prometheus").glob("*.yml"),
    *(ROOT / "grafana" / "dashboards").glob("*.json"),
]
QUERY = re.compile(r"\bvod_transcode_job_duration_seconds_(?:bucket|count|sum)(\{.*?\})?")


def test_each_query_of_the_duration_of_jobs_reads_successful_ones() -> None:
    queries = [
        (page.name, found[0], found[1] or "")
        for page in PAGES
        for found in QUERY.finditer(page.read_text(encoding="utf-8"))
    ]

    assert {page for page, *_ in queries} >= {"README.md", "vod-transcode.rules.yml"}
    assert len([page for page, *_ in queries if page.endswith(".json")]) >= 2
    assert [query for query in queries if 'status="TranscodeSuccess"' not in query[2].replace("\\", "")] == []
