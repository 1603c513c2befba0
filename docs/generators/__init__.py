"""Generators of the reference pages: `docs/cli.md` from the commands, and `docs/api/` from the docstrings."""
