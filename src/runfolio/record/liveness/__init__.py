"""Files that processes write about themselves while they write to a run: heartbeats, claims and process exits.

The files show which processes write to the run, and whether the processes are alive.
"""
