"""Parts of `docs/benchmarks.md`, each written by its own command. A part starts with a first-level heading."""

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
    """Replace the part of the page that has the same heading as `part`. If there is none, append `part`."""
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
    """Return the part with its prose wrapped at 100 columns. Tables and headings are not wrapped."""
    blocks = part.split("\n\n")
    return "\n\n".join(block if block.startswith(("|", "#")) else textwrap.fill(block, 100) for block in blocks)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all measuring commands share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="do a smoke run, which only prints and whose results are not reliable"
    )
    parser.add_argument("--page", type=Path, help=f"file for the results; default: {PAGE.name}, for complete runs")
    return parser


def existing_file(parser: argparse.ArgumentParser, flag: str, file: str | None) -> str:
    """Return the absolute path of a file that a complete run needs, or end the program if the file does not exist."""
    if file is None or not Path(file).is_file():
        parser.error(f"{flag} {file or 'is missing'}: give an existing file, or --quick")
    return str(Path(file).resolve())


def write_or_print(part: str, args: argparse.Namespace) -> None:
    """Print the part, and write it to the page, unless this is a smoke run without `--page`."""
    console = Console()
    target = args.page or (None if args.quick else PAGE)
    console.print(part, markup=False, highlight=False, soft_wrap=True)
    if target is not None:
        replace_part(target, part)
        console.print(f"wrote the results to {target}")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> str:
    """Return a Markdown table whose first `left` columns are left-aligned."""
    rule = ["---" if number < left else "--:" for number in range(len(columns))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [list(columns), rule, *rows])
