"""The command line: commands, flags, signals, log lines, the demo and the programs around it."""
