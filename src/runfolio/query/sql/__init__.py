"""Read-only SQL queries on the runs of a store, executed by DuckDB."""
