"""Figures of predictions, evaluations and training batches."""
