"""The filter language of runs: parsing, printing, and SQL of the index (`docs/filter.md`)."""
