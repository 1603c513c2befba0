"""Read-only SQL queries on the runs of a store. DuckDB executes them."""
