"""Formats of media files. A format is recognised by the content of a file, and determines the suffix of its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import NamedTuple

HEAD_BYTES = 4096
"""Number of leading bytes that are used to recognise a format."""


class MediaFormat(NamedTuple):
    """Format of a media file."""

    suffix: str
    media_type: str
    """MIME type."""
    matches: Callable[[bytes, int], bool]
    """Function that returns whether a file with these leading bytes and this size has the format."""


def _begins(*starts: bytes) -> Callable[[bytes, int], bool]:
    return lambda head, size: head.startswith(starts)


def _fits(pattern: bytes) -> Callable[[bytes, int], bool]:
    return lambda head, size: re.match(pattern, head, re.DOTALL) is not None  # the pattern is compiled on first use


def _is_stl(head: bytes, size: int) -> bool:
    """Return whether a file is in text STL or binary STL format.

    A binary STL file consists of an 80-byte header, a triangle count, and 50 bytes per triangle.
    """
    if re.match(rb"solid\b[^\n]*\n\s*(facet|endsolid)\b", head):
        return True
    return len(head) >= 84 and 84 + 50 * int.from_bytes(head[80:84], "little") == size


PICTURES = (MediaFormat(".png", "image/png", _begins(b"\x89PNG\r\n\x1a\n")),)
AUDIO = (
    MediaFormat(".wav", "audio/wav", _fits(rb"RIFF.{4}WAVE")),
    MediaFormat(".flac", "audio/flac", _begins(b"fLaC")),
    MediaFormat(".ogg", "audio/ogg", _begins(b"OggS")),
    # An MP3 file starts with an ID3 tag or with the header of a Layer III frame.
    MediaFormat(".mp3", "audio/mpeg", _fits(rb"ID3|\xff[\xfa\xfb\xf2\xf3\xe2\xe3]")),
)
VIDEO = (
    MediaFormat(".mp4", "video/mp4", _fits(rb".{4}ftyp")),
    MediaFormat(".webm", "video/webm", _fits(rb"\x1a\x45\xdf\xa3.{,60}webm")),
    MediaFormat(".webp", "image/webp", _fits(rb"RIFF.{4}WEBP")),
    MediaFormat(".gif", "image/gif", _begins(b"GIF87a", b"GIF89a")),
)
MESHES = (
    MediaFormat(".ply", "model/ply", _fits(rb"ply\r?\n")),
    MediaFormat(".glb", "model/gltf-binary", _begins(b"glTF\2\0\0\0")),
    MediaFormat(".stl", "model/stl", _is_stl),
    MediaFormat(".obj", "model/obj", _fits(rb"(?:[^\n\0]*\n)*?v[ \t]+[-+.\d]")),
)
TABLES = (MediaFormat(".parquet", "application/vnd.apache.parquet", _begins(b"PAR1")),)
IMAGE_FILES = (
    *PICTURES,
    MediaFormat(".jpg", "image/jpeg", _begins(b"\xff\xd8\xff")),
    *(known for known in VIDEO if known.media_type.startswith("image/")),
)
"""Formats of image files that a table cell may contain."""
_BY_SUFFIX = {known.suffix: known for known in (*PICTURES, *AUDIO, *VIDEO, *MESHES, *TABLES)}


def recognise(head: bytes, size: int, formats: Sequence[MediaFormat]) -> MediaFormat | None:
    """Return the first of `formats` that matches a file, or None if no format matches."""
    return next((known for known in formats if known.matches(head, size)), None)


def type_of(name: str) -> str | None:
    """Return the MIME type for a file name, or None if no media format has the suffix."""
    known = format_of(PurePath(name).suffix)
    return None if known is None else known.media_type


def format_of(suffix: str) -> MediaFormat | None:
    """Return the format of media files with a suffix such as `.wav`, or None if no format has the suffix."""
    return _BY_SUFFIX.get(suffix)
