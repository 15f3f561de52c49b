"""Timings of Lamina beside its peers: `python -m benchmarks.run`."""
