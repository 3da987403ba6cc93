"""Grafana dashboards of the exporter, as code. `python -m grafana` writes them to `grafana/dashboards/`."""
