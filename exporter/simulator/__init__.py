"""A VOD service on loopback, for the demo, the tests and the benchmarks."""
