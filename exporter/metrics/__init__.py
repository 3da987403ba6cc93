"""The metrics: their declarations, the exposition of a snapshot, and the counters of the exporter itself."""
