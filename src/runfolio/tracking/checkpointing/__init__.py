"""Saving and restoring of the training state, including random generators and batch order."""
