"""Modules for the processes of a run: exit hooks, signals, ranks, subprocesses, and the outcome of each process."""
