"""Points of metrics: the files with points (tails and segments), code that merges these files, and the reader."""
