"""Points of metrics: files with points (tails and segments), their merging and compaction, and the reader."""
