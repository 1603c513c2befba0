"""Points of metrics: tails, segments, merging, compaction and the reader."""
