"""The index of a store, the scan that fills it, and the lookup of runs by name."""
