"""Resuming on the same images, forking, and testing the best run of a series."""
