"""Benchmarks: each prints its own ratio, against a peer or a limit, in one run."""
