"""Modules that record the environment of a run: command, code, machine, libraries and seeds. The training script needs
no changes."""
