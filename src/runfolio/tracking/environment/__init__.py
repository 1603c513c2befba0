"""Environment of a run: command, code, machine, libraries and seeds, captured without changes to the training
script."""
