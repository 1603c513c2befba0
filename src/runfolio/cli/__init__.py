"""Command line of runfolio, which is a tree of commands. Each command parses its arguments, makes one call, and prints
the result.

Heavy modules (torch, pyarrow, matplotlib and rich) are imported inside the commands that need them.
"""

from runfolio.cli.tree import main

__all__ = ["main"]
