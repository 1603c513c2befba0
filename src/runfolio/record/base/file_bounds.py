"""Size limits in bytes for each kind of file in a record, for reading and writing (`docs/format.md`)."""

from __future__ import annotations

_MB = 1 << 20

JSON_DOCUMENT = 64 * _MB
"""Largest `.json` file."""
JSON_CONTAINERS = 2_000_000
"""Largest number of objects and lists in a `.json` file."""
JSON_LINE = 16 * _MB
"""Longest line of a `.jsonl` file, including its newline."""
JSON_LINES = 4096 * _MB
"""Largest `.jsonl` file, which is read line by line."""
SEGMENT = 1 << 40
"""Largest Parquet file, which is read by row group."""
SEGMENT_FOOTER = 16 * _MB
"""Largest footer of a Parquet file."""
TENSORS = 1 << 40
"""Largest checkpoint file."""
MEDIUM = 256 * _MB
"""Largest media file."""
TABLE_COLUMNS, TABLE_ROWS, TABLE_CELLS = 1_000, 100_000, 5_000_000
"""Maximum numbers of columns, rows and cells of a logged table."""
TABLE_UNPACKED = 512 * _MB
"""Largest unpacked size of a logged table."""
CODE = 32 * _MB
"""Largest code file or diff."""
CONSOLE = 64 * _MB
"""Largest console log."""
LISTING = 1024 * _MB
"""Largest listing of data, both compressed and uncompressed."""
ANSWERS = 1024 * _MB
"""Largest Parquet file of answers. It is read as a whole."""
EVENTS = 1 << 40
"""Largest event file, which is read in pieces."""
ARTIFACT = 1 << 50
"""Largest artifact file, which is only hashed and copied."""
