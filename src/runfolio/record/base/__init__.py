"""Files and names that all other parts of the record use."""
