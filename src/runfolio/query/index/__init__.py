"""Index of a store, which is a database with the facts of all runs. A scan of the store updates the index."""
