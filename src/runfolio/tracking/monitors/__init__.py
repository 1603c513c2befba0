"""Monitors beside the training: machine load, throughput, gradients and non-finite values."""
