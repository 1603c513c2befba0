"""Plots of runs. Some modules prepare the content; others draw it with matplotlib or, on a terminal, with plotext."""
