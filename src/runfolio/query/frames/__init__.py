"""Data of runs as columns, curves and data frames."""
