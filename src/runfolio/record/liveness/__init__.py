"""Heartbeats, claims and process exits of the processes that write to a run.

They show which processes write to the run, and whether these processes are alive.
"""
