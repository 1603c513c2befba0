"""Reference pages of the Python API, generated from signatures and docstrings."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any

from docs.generators.markdown import anchor, bullet, code_block, page, prose

import runfolio
from runfolio.board.opened_board import OpenedBoard
from runfolio.query.arrow_frame import ArrowFrame
from runfolio.query.curve import Curve
from runfolio.query.histories.point_frame import PointFrame
from runfolio.query.recorded_answers import Answers
from runfolio.query.sql.query_result import QueryResult
from runfolio.query.store import Runs
from runfolio.record.checkpoints.manifests import Checkpoint
from runfolio.record.content.media import MediaEntry
from runfolio.tensorboard.logdir import Logdir

PAGES: dict[str, tuple[str, list[Any]]] = {
    "writing": (
        "Python API: record runs",
        [
            runfolio.init,
            runfolio.resume,
            runfolio.fork,
            runfolio.Run,
            runfolio.log,
            runfolio.current,
            runfolio.seed_everything,
            runfolio.BatchOrder,
            runfolio.CheckpointPolicy,
            runfolio.RecordingConfig,
            runfolio.Listing,
            runfolio.SummaryWriter,
            runfolio.create_writer,
        ],
    ),
    "reading": (
        "Python API: read runs",
        [
            runfolio.open,
            runfolio.open_board,
            runfolio.read_logdir,
            Logdir,
            runfolio.Folio,
            Runs,
            runfolio.RecordedRun,
            Curve,
            MediaEntry,
            Answers,
            PointFrame,
            QueryResult,
            ArrowFrame,
            Checkpoint,
            OpenedBoard,
        ],
    ),
    "errors": (
        "Python API: errors",
        [
            runfolio.RunfolioError,
            runfolio.Ambiguous,
            runfolio.ConfigError,
            runfolio.DamagedFile,
            runfolio.MissingExtra,
            runfolio.NewerFormat,
            runfolio.NotFound,
            runfolio.StoreError,
        ],
    ),
}
"""Title and contents of each page: all public names, and the types that their methods return."""

CONSTRUCTED = {
    runfolio.BatchOrder,
    runfolio.CheckpointPolicy,
    runfolio.RecordingConfig,
    runfolio.Listing,
    runfolio.SummaryWriter,
}
"""Classes that users instantiate. Functions and methods return the objects of the other classes."""

NAMES: dict[Any, str] = {runfolio.open: "open"}
"""Public names of objects that have a different name in the code."""


class _Raw(str):
    """Annotation whose `repr` is its text without quotes."""

    def __repr__(self) -> str:
        return str(self)


def api_pages() -> dict[str, str]:
    """Return the text of each API page, keyed by the path of the page below `docs`."""
    pages = {f"api/{name}.md": page(title, _page_blocks(members)) for name, (title, members) in PAGES.items()}
    return {"api/index.md": page("Python API", _index_blocks()), **pages}


def _index_blocks() -> Iterator[str]:
    yield prose(
        "`import runfolio` provides these names. Three pages contain their docstrings, which `help()` also prints."
    )
    for name, (title, members) in PAGES.items():
        yield f"## [{title.removeprefix('Python API: ').capitalize()}]({name}.md)"
        yield "\n".join(
            bullet(f"[`{_name(member)}`]({name}.md#{anchor(_name(member))}): {_summary(member)}") for member in members
        )


def _name(member: Any) -> str:
    return NAMES.get(member) or str(member.__name__)


def _summary(member: Any) -> str:
    return " ".join((vars(member).get("__doc__") or inspect.getdoc(member) or "").partition("\n\n")[0].split())


def _page_blocks(members: list[Any]) -> Iterator[str]:
    for member in members:
        yield f"## {_name(member)}"
        if not inspect.isclass(member):
            yield _signature(f"runfolio.{_name(member)}", member)
            yield from docstring_blocks(inspect.getdoc(member) or "")
            continue
        if member in CONSTRUCTED:
            yield _signature(f"runfolio.{_name(member)}", member)
        yield from docstring_blocks(inspect.cleandoc(vars(member).get("__doc__") or ""))
        yield from _members(member)


def _members(cls: type) -> Iterator[str]:
    """Yield attributes and properties as a list, then each method with its signature."""
    attributes = dict(_attributes(cls))
    for name, value in vars(cls).items():
        if not name.startswith("_") and isinstance(value, property | cached_property):
            attributes[name] = inspect.getdoc(value) or ""
    if attributes:
        yield "\n".join(bullet(f"`{name}`{text and ': '}{text}") for name, text in attributes.items())
    for name, value in vars(cls).items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if not name.startswith("_") and inspect.isfunction(function) and inspect.getdoc(function):
            yield f"### {_name(cls)}.{name}"
            yield _signature(f"{_name(cls)}.{name}" if function is not value else name, function)
            yield from docstring_blocks(inspect.getdoc(function) or "")


def _attributes(cls: type) -> Iterator[tuple[str, str]]:
    """Yield fields and attributes of the class and of its bases in this package, with their docstrings."""
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith("runfolio."):
            continue
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(node, ast.ClassDef)
        init = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
        for body in [node.body, *(function.body for function in init)]:
            for statement, following in pairwise(body):
                name, text = _assigned_name(statement), getattr(following, "value", None)
                if isinstance(following, ast.Expr) and isinstance(text, ast.Constant) and name and name[0] != "_":
                    yield name, str(text.value)


def _assigned_name(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.AnnAssign | ast.Assign):
        target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
        return target.id if isinstance(target, ast.Name) else getattr(target, "attr", None)
    return None


def _signature(title: str, function: Callable[..., Any]) -> str:
    """Return the signature as code, one parameter per line if it is long."""
    signature = inspect.signature(function)
    parameters = [
        each.replace(annotation=_Raw(each.annotation) if isinstance(each.annotation, str) else each.annotation)
        for each in signature.parameters.values()
        if each.name not in ("self", "cls")
    ]
    returns = signature.return_annotation
    arrow = "" if returns is inspect.Signature.empty or inspect.isclass(function) else f" -> {returns}"
    short = f"{title}{signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)}{arrow}"
    if len(short) <= 96:
        return code_block(short, "python")
    starred = any(each.kind is each.KEYWORD_ONLY for each in parameters)
    lines = [str(each) for each in parameters]
    if starred:
        first = next(index for index, each in enumerate(parameters) if each.kind is each.KEYWORD_ONLY)
        if not any(each.kind is each.VAR_POSITIONAL for each in parameters):
            lines.insert(first, "*")
    return code_block("\n".join([f"{title}(", *(f"    {line}," for line in lines), f"){arrow}"]), "python")


def docstring_blocks(text: str) -> Iterator[str]:
    """Yield a docstring as Markdown: paragraphs, and `Args:`, `Returns:` and `Raises:` as lists."""
    for paragraph in re.split(r"\n\n|\n(?=(?:Args|Returns|Raises):\n)", text):
        head, _, rest = paragraph.partition("\n")
        if head in ("Args:", "Raises:"):
            yield f"**{head.removesuffix(':')}**"
            yield "\n".join(_entries(textwrap.dedent(rest)))
        elif head == "Returns:":
            yield prose(f"**Returns** {rest}")
        elif paragraph.strip():
            yield prose(paragraph)


def _entries(text: str) -> Iterator[str]:
    """Yield each entry of a list; an indented line continues the previous entry."""
    for entry in re.split(r"\n(?! )", text.strip()):
        name, colon, meaning = " ".join(entry.split()).partition(": ")
        yield bullet(f"`{name}`: {meaning}" if colon else name)
