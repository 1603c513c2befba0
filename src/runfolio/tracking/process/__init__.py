"""Processes of a run: exit hooks, signals, ranks and subprocesses, and the outcome of each process."""
