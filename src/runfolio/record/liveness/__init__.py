"""Heartbeats, claims and process exits, which show which processes write to a run and whether they are alive."""
