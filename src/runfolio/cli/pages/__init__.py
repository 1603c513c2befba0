"""Pages of text that describe one run, data set, evaluation or reproduction, and other command output."""
