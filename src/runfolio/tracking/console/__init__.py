"""Console of a run: its capture and the helper program that passes it on."""
