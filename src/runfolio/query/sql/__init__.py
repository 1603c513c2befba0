"""SQL on the runs of a store, read only, by DuckDB."""
