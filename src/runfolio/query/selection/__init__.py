"""Selection of the best run: ranking, seed groups, and the statistics that show how reliable the selection is."""
