"""Size limits in bytes for each kind of file in a record, for reading and writing (`docs/format.md`)."""

from __future__ import annotations

_MB = 1 << 20

JSON_DOCUMENT = 64 * _MB
"""Maximum size of a `.json` file."""
JSON_CONTAINERS = 2_000_000
"""Maximum number of objects and lists in a `.json` file."""
JSON_LINE = 16 * _MB
"""Maximum length of a line in a `.jsonl` file, including the newline."""
JSON_LINES = 4096 * _MB
"""Maximum size of a `.jsonl` file, which is read line by line."""
SEGMENT = 1 << 40
"""Maximum size of a Parquet file of points, which is read one row group (block of rows) at a time."""
SEGMENT_FOOTER = 16 * _MB
"""Maximum size of the footer of a Parquet file."""
TENSORS = 1 << 40
"""Maximum size of a checkpoint file."""
MEDIUM = 256 * _MB
"""Maximum size of a media file."""
TABLE_COLUMNS, TABLE_ROWS, TABLE_CELLS = 1_000, 100_000, 5_000_000
"""Maximum numbers of columns, rows and cells of a logged table."""
TABLE_UNPACKED = 512 * _MB
"""Maximum unpacked size of a logged table."""
CODE = 32 * _MB
"""Maximum size of a code file or a diff."""
CONSOLE = 64 * _MB
"""Maximum size of a console log."""
LISTING = 1024 * _MB
"""Maximum size of a listing (names and digests of a run's data), both compressed and uncompressed."""
ANSWERS = 1024 * _MB
"""Maximum size of a Parquet file with a model's answers, which is read as a whole."""
EVENTS = 1 << 40
"""Maximum size of an event file, which is read in pieces."""
ARTIFACT = 1 << 50
"""Maximum size of an artifact file, which is only hashed and copied."""
