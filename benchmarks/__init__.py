"""What runfolio costs, measured beside its peers; `make bench` writes `docs/benchmarks.md`."""
