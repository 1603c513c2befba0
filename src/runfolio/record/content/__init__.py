"""Media, artifacts, code, datasets, console logs and edits of a run."""
