"""Cost of runfolio, measured together with its peers; `make bench` writes `docs/benchmarks.md`."""
