"""Pages of text about one run, dataset, evaluation or reproduction."""
