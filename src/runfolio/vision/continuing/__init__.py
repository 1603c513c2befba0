"""Resumed and forked runs, and the final test of a series."""
