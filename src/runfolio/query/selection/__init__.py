"""Selection of the best run: ranking, groups of runs that differ only in the seed, and statistics that show how
reliable the selection is."""
