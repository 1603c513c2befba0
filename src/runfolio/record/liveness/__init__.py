"""Heartbeats, claims and process exits: which processes write a run, and whether they are alive."""
