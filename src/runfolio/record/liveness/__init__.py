"""Heartbeats, claims and process exits of the processes that write to a run.

These files show which processes write to the run, and whether the processes are alive.
"""
