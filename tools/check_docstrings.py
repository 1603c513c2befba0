"""Check that each docstring has a summary line that starts with a verb or a noun.

    python tools/check_docstrings.py [PATH ...]

Run this script in the root of the repository. It prints one line per bad docstring, and exits with 1 if there is any.
Strings after assignments count as docstrings of attributes.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

_CLAUSES = """
about after against although and as at because before behind beside besides between but by during for from here how if
in into it of on or since so such than that them then there these they this those though through to under unless until
what when where whether which while who whose why with within without
"""
OPENINGS = frozenset(_CLAUSES.split())
"""Words that start a clause or a phrase, or refer to an earlier noun. A summary that starts with one of these words
does not name its subject."""

SECTIONS = ("Args:", "Returns:", "Yields:", "Raises:", "Attributes:", "Example:", "Examples:")


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line number and the text of each docstring. Every string that forms a whole statement is a
    docstring."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(ast.Constant(str(text))):
                yield node.lineno, inspect.cleandoc(text)


def defect(text: str) -> str | None:
    """Return the defect of a docstring's first line, or None if it is a proper summary."""
    summary = text.partition("\n")[0].strip()
    if not summary or summary in SECTIONS:
        return "has no summary line"
    word = summary.split()[0].strip(".,:;()")
    if word.lower() in OPENINGS:
        return f"starts with {word!r}; start with a verb or a noun"
    return None


def defects(path: Path) -> Iterator[str]:
    """Yield one line for each bad docstring of a file."""
    for line, text in docstrings(ast.parse(path.read_text(encoding="utf-8"))):
        if problem := defect(text):
            yield f"{path}:{line}: docstring {problem}"


def python_files(paths: list[Path]) -> Iterator[Path]:
    """Yield the Python files under the paths, by default under `src` and `tests`."""
    for path in paths or [Path("src"), Path("tests")]:
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def main(arguments: list[str]) -> int:
    """Print the bad docstrings and return the exit code."""
    problems = [problem for path in python_files([*map(Path, arguments)]) for problem in defects(path)]
    print("\n".join([*problems, f"{len(problems)} bad docstrings" if problems else "All docstrings are well-formed"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
