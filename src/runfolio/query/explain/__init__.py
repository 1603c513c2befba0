"""Explanations: why a run ended, and what differs between two runs."""
