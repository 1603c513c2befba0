"""Benchmarks of runfolio and of other trackers, its peers. `make bench` writes the results to `docs/benchmarks.md`."""
