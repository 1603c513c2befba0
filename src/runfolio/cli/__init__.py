"""Command line: a tree of commands; each parses its arguments, makes one call, and prints the result.

Heavy modules (torch, pyarrow, matplotlib, even rich) are imported inside the commands that need them.
"""

from runfolio.cli.tree import main

__all__ = ["main"]
