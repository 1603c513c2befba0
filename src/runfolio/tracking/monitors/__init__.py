"""Monitors that record machine load, training speed, gradients and non-finite values during training."""
