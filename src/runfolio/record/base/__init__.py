"""Files and names that every part of the record builds on."""
