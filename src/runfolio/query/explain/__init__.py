"""Explanations: why a run ended as it did, and what two runs were started with."""
