"""Heartbeats, claims and process exits: who writes a run, and whether it still lives."""
