"""Checks and repairs of run folders, file by file (`docs/format.md`, Damaged files)."""
