"""Points of many runs as tables: long or wide, aligned, resampled, or averaged over groups."""
