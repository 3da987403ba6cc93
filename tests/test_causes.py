"""The causes of failures: the documented codes, and the table of them in docs/metrics.md."""

from __future__ import annotations

import re
from pathlib import Path

from exporter.causes import CAUSES, CODES, of_job, of_task

PAGE = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_a_code_has_the_cause_of_its_table_and_others_are_unknown() -> None:
    for code, cause in [
        ("InvalidParameter.ResourceContentBad", "source"),
        ("InvalidParameter.TemplateNotFound", "configuration"),
        ("PermissionDenied.ResourceAccess", "permission"),
        ("InternalError", "service"),
        ("Surprise", "unknown"),
        ("InternalErrors", "unknown"),
        ("200", "unknown"),
        ("", "unknown"),
    ]:
        assert of_job(code) == cause


def test_a_task_without_jobs_failed_by_its_source() -> None:
    assert of_task([]) == "source"


def test_the_order_of_the_jobs_does_not_matter() -> None:
    codes = ["InternalError", "Surprise", "PermissionDenied.ResourceAccess"]

    assert {of_task(codes), of_task(codes[::-1])} == {"permission"}


def test_the_page_has_the_same_codes_by_cause() -> None:
    table = PAGE.partition("\n## Causes of failures\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| `")]
    documented = {cause.strip(" `"): set(re.findall("`([^`]+)`", codes)) for cause, _, codes in rows}

    assert list(documented) == list(CAUSES)
    assert documented == {cause: {code for code, of in CODES.items() if of == cause} for cause in CAUSES}
