"""The filter language of runs: parsing, printing and evaluating it (`docs/filter.md`)."""
