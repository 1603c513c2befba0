"""The record: run folders as specified in `docs/format.md`. It knows files, but neither training nor tables."""
