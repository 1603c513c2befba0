"""Index of a store, and the scan that updates it."""
