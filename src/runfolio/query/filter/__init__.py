"""Filter language for runs: parsing, printing, and translation to SQL on the index (see `docs/filter.md`)."""
