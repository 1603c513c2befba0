"""Size limits of files in a record, by kind, for reading and writing (`docs/format.md`)."""

from __future__ import annotations

_MB = 1 << 20

JSON_DOCUMENT = 64 * _MB
"""`.json` files."""
JSON_CONTAINERS = 2_000_000
"""Objects and lists of a `.json` file."""
JSON_LINE = 16 * _MB
"""Line of a `.jsonl` file, with its newline."""
JSON_LINES = 4096 * _MB
"""`.jsonl` files, which are read line by line."""
SEGMENT = 1 << 40
"""Parquet files, which are read by row group."""
SEGMENT_FOOTER = 16 * _MB
"""Footer of a Parquet file."""
TENSORS = 1 << 40
"""Files of a checkpoint."""
PICTURE = 256 * _MB
"""Pictures."""
CODE = 32 * _MB
"""Files of code, and diffs."""
CONSOLE = 64 * _MB
"""Console logs."""
LISTING = 1024 * _MB
"""Listings of data, compressed and unpacked."""
ANSWERS = 1024 * _MB
"""Parquet files of answers, which are read as a whole."""
EVENTS = 1 << 40
"""Event files, which are read in pieces."""
ARTIFACT = 1 << 50
"""Files of artifacts, which are only hashed and copied."""
