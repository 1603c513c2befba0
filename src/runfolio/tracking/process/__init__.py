"""Processes of a run: exit hooks, signals, ranks, subprocesses and how they ended."""
