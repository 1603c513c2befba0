"""Capture of a run's console output, and the helper program that forwards this output."""
