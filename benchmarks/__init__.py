"""Benchmarks of runfolio and its peers; `make bench` writes the results to `docs/benchmarks.md`."""
