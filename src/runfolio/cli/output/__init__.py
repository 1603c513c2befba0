"""Options, tables, values and progress bars that several commands share."""
