"""Resumed and forked trainings, and the final test of a series."""
