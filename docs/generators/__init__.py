"""Generators of the reference pages: `docs/cli.md` from the commands, `docs/api/` from the docstrings."""
