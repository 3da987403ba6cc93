"""Values of the exporter's metrics."""

from __future__ import annotations

from exporter.errors import VodError
from exporter.metrics.telemetry import Telemetry


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(name, labels)


def errors(telemetry: Telemetry, account: str = "prod") -> dict[str, float]:
    """Errors of GetTranscodeTask by code."""
    return {
        sample.labels["code"]: sample.value
        for family in telemetry.registry.collect()
        for sample in family.samples
        if sample.name == "vod_exporter_api_errors_total"
        and (sample.labels["account"], sample.labels["action"]) == (account, "GetTranscodeTask")
    }


def refused(code: str) -> VodError:
    return VodError("refused", code=code)
