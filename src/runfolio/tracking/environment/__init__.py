"""Environment of a run: command, code, machine, libraries and seeds, captured without user code."""
