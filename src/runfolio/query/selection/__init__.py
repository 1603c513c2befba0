"""Selection of the best run: ranking, seed groups, and the statistics that qualify them."""
