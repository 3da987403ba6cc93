"""What the catalog declares of a metric."""

from __future__ import annotations

from dataclasses import dataclass

_UNITS = ("requests_per_second", "bits_per_second", "frames_per_second", "seconds", "bytes", "pixels", "ratio")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as Prometheus sees it. `type` is gauge, counter, histogram or info; `labels` are label names."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """The family name of OpenMetrics, which omits `_total` and `_info`."""
        return self.name.removesuffix("_total") if self.type == "counter" else self.name.removesuffix("_info")

    @property
    def unit(self) -> str:
        """The unit suffix of the family name, or `""`. OpenMetrics writes it as `# UNIT`."""
        return next((unit for unit in _UNITS if self.family.endswith(f"_{unit}")), "")
