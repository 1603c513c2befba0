"""Options, tables, value formats and progress bars that several commands share."""
