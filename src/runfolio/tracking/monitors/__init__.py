"""Monitors that record machine load, throughput, gradients and non-finite values during training."""
