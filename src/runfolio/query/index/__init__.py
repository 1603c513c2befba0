"""Index of a store, which is a database with the facts of all runs, and the scan that updates it."""
