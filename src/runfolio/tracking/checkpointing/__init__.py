"""Saving and restoring the state of a training, random generators and batch order included."""
