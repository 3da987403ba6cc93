"""The command line: commands, flags, signals, log lines, the demo, and the Prometheus stack that it can start."""
