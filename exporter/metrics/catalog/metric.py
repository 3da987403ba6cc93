"""What the catalog declares of a metric."""

from __future__ import annotations

from dataclasses import dataclass

_UNITS = ("seconds", "bytes", "pixels", "ratio")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as Prometheus sees it. `type` is gauge, counter or histogram; `labels` are label names.

    A metric whose name ends in `_info` is a gauge with the value 1, because some readers of OpenMetrics rename or drop
    metrics of the type info.
    """

    name: str
    type: str
    description: str
    labels: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """The HELP text: the description, and how a new series of a counter or histogram begins."""
        if self.type not in ("counter", "histogram"):
            return self.description
        return f"{self.description.removesuffix('.')}; a new series starts at 0 for 2.5 minutes."

    @property
    def family(self) -> str:
        """The family name of OpenMetrics, which omits the `_total` of a counter."""
        return self.name.removesuffix("_total") if self.type == "counter" else self.name

    @property
    def unit(self) -> str:
        """The unit suffix of the family name, or `""`. OpenMetrics writes it as `# UNIT`.

        Rates have none: the OpenTelemetry Collector would add `_per_second` to `bits_per_second` once more.
        """
        return next((unit for unit in _UNITS if self.family.endswith(f"_{unit}")), "")
