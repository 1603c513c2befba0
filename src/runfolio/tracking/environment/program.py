"""Where a program comes from: its script, the folder it was started in, and which loaded modules are the user's own."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any

from runfolio.record.base.redaction import redact_command

_CHECKED_ARGUMENTS = 100
"""Arguments that are looked up on the disk."""
_MODULE_VARIABLES: Any = vars(ModuleType)["__dict__"]


def command() -> dict[str, Any]:
    """What was started, and where; quick enough for the training thread."""
    words = redact_command(sys.argv)
    return {
        "command": words,
        "module": _module(),
        "script": script(),
        "folder": current_folder(),
        "existing": _existing_paths(words[1 : 1 + _CHECKED_ARGUMENTS]),
    }


def _existing_paths(words: Sequence[str]) -> list[str]:
    """Return the arguments, or values of `--flag=value`, that name an existing file or folder."""
    values = (word.partition("=")[2] if word.startswith("-") else word for word in words)
    return [value for value in dict.fromkeys(values) if value and os.path.exists(value)]  # noqa: PTH110 - any text


def current_folder() -> str | None:
    """Where the process stands; None where that folder is gone."""
    try:
        return os.getcwd()  # noqa: PTH109 - a text is what is recorded
    except OSError:
        return None


def script() -> str | None:
    """The user's file that is being run; None for an installed program, a notebook and a prompt."""
    path = _file_of(sys.modules.get("__main__"))
    return path if path is not None and is_own(path) else None


def program_name() -> str:
    """Return the name of the script, module, program or notebook that is being run; `python` for code without a file.

    It is taken from `sys.argv`, which processes started by `multiprocessing` inherit.
    """
    path = PurePath(sys.argv[0] if sys.argv else "")
    if path.stem.endswith("kernel_launcher"):  # of Jupyter, which tells the notebook's path, or of Colab
        return PurePath(os.environ.get("JPY_SESSION_NAME") or "notebook").stem
    if path.stem == "__main__":  # python -m package
        return path.parent.name or "python"
    return "python" if path.name in ("", "-", "-c") else path.stem


def _module() -> str | None:
    """The module's name where the program was started with `python -m`."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    name = getattr(spec, "name", None)
    return name if isinstance(name, str) else None


def own_modules() -> dict[str, str]:
    """The files of loaded modules that are neither installed nor Python's nor runfolio's: their names by path."""
    names = {}
    for name, module in sys.modules.copy().items():  # copied at once: a tuple of them is not while others import
        path = _file_of(module)
        if name != "__main__" and path is not None and path not in names and is_own(path):
            names[path] = name
    return names


def _file_of(module: object) -> str | None:
    """Return the file of a module; None for anything else in `sys.modules`, whatever it says it is.

    Asked past its `__getattr__`: a lazy module would be loaded for the answer.
    """
    if not issubclass(type(module), ModuleType):
        return None
    path = (_MODULE_VARIABLES.__get__(module) or {}).get("__file__")
    return os.path.abspath(path) if isinstance(path, str) and path.endswith(".py") else None  # noqa: PTH100


@lru_cache(maxsize=8192)
def is_own(path: str) -> bool:
    return not (f"{os.sep}site-packages{os.sep}" in path or path.startswith(_foreign_folders()))


@lru_cache(maxsize=1)
def _foreign_folders() -> tuple[str, ...]:
    """Python's own folders, the virtual environment, runfolio and `dist-packages`, each with its separator."""
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}
    folders.add(os.fspath(Path(__file__).parents[2]))
    if sys.prefix != sys.base_prefix:
        folders.add(sys.prefix)
    named = {folder for folder in folders if folder}
    resolved = {os.path.realpath(folder) for folder in named}
    debian = {os.fspath(Path(folder).parent / "dist-packages") for folder in named}
    return tuple(f"{folder}{os.sep}" for folder in named | resolved | debian)
