"""Check of run folders, file by file, and their repair (`docs/format.md`, Damaged files)."""
