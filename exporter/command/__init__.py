"""The command line: what each command does, its flags, the demo, and the programs around the demo."""
