"""Reading the record: stores, runs, tables, the best of them, comparisons and pictures."""
