"""The record: run folders as specified in `docs/format.md`. Training and tables are in other packages."""
