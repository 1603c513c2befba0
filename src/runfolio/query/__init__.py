"""Reading side: stores, runs, selection, tables, comparisons and plots."""
