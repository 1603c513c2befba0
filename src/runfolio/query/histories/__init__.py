"""Points of many runs as tables. The tables can be long or wide, aligned, resampled, or averaged over groups."""
