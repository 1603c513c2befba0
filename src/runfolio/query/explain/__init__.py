"""Explanations: the reason of a run's end, and the differences between two runs."""
