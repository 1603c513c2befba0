"""Modules that capture the console output of a run, and a helper program that forwards the output."""
