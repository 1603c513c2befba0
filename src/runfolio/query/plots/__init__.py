"""Plots of runs. Some modules prepare the content; others draw it with matplotlib, or with plotext in a terminal."""
