"""Plots of runs. The content is prepared separately from drawing it with matplotlib or, on a terminal, plotext."""
