"""Modules that save and restore the training state, including random generators and batch order."""
