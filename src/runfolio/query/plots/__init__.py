"""Plots of runs. Some modules prepare the content; others draw it, either with matplotlib or in a terminal with plotext."""
