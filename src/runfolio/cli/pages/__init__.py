"""Text output of commands, such as the pages that describe a run, a data set, an evaluation or a reproduction."""
