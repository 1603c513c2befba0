"""Points and values of runs as arrays and Arrow columns."""
