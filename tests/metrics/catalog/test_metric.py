"""What follows from the declaration of a metric: family, unit and HELP."""

from __future__ import annotations

import pytest

from exporter.metrics.catalog.metric import Metric


def test_family_and_unit_follow_from_the_name() -> None:
    """A rate has no unit: readers that translate units would add `_per_second` again."""
    for name, kind, family, unit in [
        ("a_transcode_seconds_total", "counter", "a_transcode_seconds", "seconds"),
        ("a_build_info", "gauge", "a_build_info", ""),
        ("a_output_bitrate_bits_per_second", "gauge", "a_output_bitrate_bits_per_second", ""),
        ("a_output_frames_per_second", "gauge", "a_output_frames_per_second", ""),
        ("a_created_timestamp_seconds", "gauge", "a_created_timestamp_seconds", "seconds"),
        ("a_size_bytes", "histogram", "a_size_bytes", "bytes"),
        ("a_progress_ratio", "gauge", "a_progress_ratio", "ratio"),
        ("a_width_pixels", "gauge", "a_width_pixels", "pixels"),
        ("a_jobs", "gauge", "a_jobs", ""),
    ]:
        metric = Metric(name, kind, "Help.")

        assert (family, unit) == (metric.family, metric.unit), name


@pytest.mark.parametrize("kind", ["counter", "histogram"])
def test_help_of_a_counter_or_histogram_says_how_a_new_series_begins(kind: str) -> None:
    assert Metric("a_b", kind, "Jobs.").help == "Jobs; a new series starts at 0 for 2.5 minutes."


def test_help_of_a_gauge_is_its_description() -> None:
    assert Metric("a_b", "gauge", "Jobs.").help == "Jobs."
