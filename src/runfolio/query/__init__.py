"""Package that reads recorded runs: stores, runs, selection, tables, comparisons and plots."""
