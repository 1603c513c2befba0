"""Batch size, learning rate range test and profiling."""
