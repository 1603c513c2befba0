"""Monitors that record alongside the training: machine load, throughput, gradients and non-finite values."""
