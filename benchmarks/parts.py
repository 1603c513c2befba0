"""The parts of `docs/benchmarks.md`, each written by a command of its own: a first-level heading and what follows."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.venvs import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
_PART = re.compile(r"^# .*\n", re.MULTILINE)


def replace_part(page: Path, part: str) -> None:
    """Write a part in the place of the one with the same heading, else behind the others."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    starts = [match.start() for match in _PART.finditer(text)]
    parts = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=False)]
    part = wrapped(part)
    heading = part.partition("\n")[0]
    matches = [index for index, section in enumerate(parts) if section.partition("\n")[0] == heading]
    if matches:
        parts[matches[0]] = part
    else:
        parts.append(part)
    page.write_text("\n\n".join(section.strip("\n") for section in parts) + "\n", encoding="utf-8")


def wrapped(part: str) -> str:
    """Return the part with its prose wrapped at 100 columns; tables and headings stay as they are."""
    blocks = part.split("\n\n")
    return "\n\n".join(block if block.startswith(("|", "#")) else textwrap.fill(block, 100) for block in blocks)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What every command has that measures a part."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke run, which only prints; its figures mean nothing")
    parser.add_argument("--page", type=Path, help=f"where the results go; default: {PAGE.name}, of whole runs alone")
    return parser


def existing_file(parser: argparse.ArgumentParser, flag: str, file: str | None) -> str:
    """The absolute path of a file that a whole run needs; ends the program where it is not there."""
    if file is None or not Path(file).is_file():
        parser.error(f"{flag} {file or 'is missing'}: give a file that is there, or --quick")
    return str(Path(file).resolve())


def write_or_print(part: str, args: argparse.Namespace) -> None:
    """To the page, or to the terminal where a smoke run names none."""
    console = Console()
    target = args.page or (None if args.quick else PAGE)
    console.print(part, markup=False, highlight=False, soft_wrap=True)
    if target is not None:
        replace_part(target, part)
        console.print(f"results are in {target}")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> str:
    """A table whose first `left` columns are texts."""
    rule = ["---" if number < left else "--:" for number in range(len(columns))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [list(columns), rule, *rows])
