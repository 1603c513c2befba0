"""The command line: one tree of commands; each parses, makes one call, and prints.

Whatever is heavy (torch, pyarrow, matplotlib, even rich) is imported inside the command that needs it.
"""

from runfolio.cli.tree import main

__all__ = ["main"]
