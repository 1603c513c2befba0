"""The record: run folders as `docs/format.md` specifies them. Knows files, not training and not tables."""
