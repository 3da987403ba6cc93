"""A VOD service on loopback, for the demo, the tests and the benchmarks."""

from exporter.simulator.server import Simulator

__all__ = ["Simulator"]
