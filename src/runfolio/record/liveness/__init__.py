"""Heartbeats, claims and process exits. They show which processes write to a run, and whether these processes are
alive."""
