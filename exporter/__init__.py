"""Prometheus exporter for the transcode tasks of ApsaraVideo VOD."""

__version__ = "0.1.0"
