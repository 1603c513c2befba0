"""Console of a run: capture of the output and the helper program that forwards it."""
