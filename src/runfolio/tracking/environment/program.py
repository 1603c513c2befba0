"""Facts about the running program: its script, the folder in which it was started, and the user's loaded modules."""

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
from runfolio.record.base.run_parts import StartedCode

_CHECKED_ARGUMENTS = 100
"""Maximum number of arguments that are checked for names of existing files or folders."""
_MODULE_VARIABLES: Any = vars(ModuleType)["__dict__"]


def command() -> StartedCode:
    """Return the command and the folder in which the command was started. The call is fast enough for the training
    thread."""
    words = redact_command(sys.argv)
    return {
        "command": words,
        "module": _module(),
        "script": script(),
        "folder": current_folder(),
        "existing": _existing_paths(words[1 : 1 + _CHECKED_ARGUMENTS]),
    }


def _existing_paths(words: Sequence[str]) -> list[str]:
    """Return the arguments that are existing files or folders. Values in arguments of the form `--flag=value` count
    too."""
    values = (word.partition("=")[2] if word.startswith("-") else word for word in words)
    return [value for value in dict.fromkeys(values) if value and os.path.exists(value)]  # noqa: PTH110 - any text


def current_folder() -> str | None:
    """Return the current folder, or None if it was deleted."""
    try:
        return os.getcwd()  # noqa: PTH109 - recorded as text
    except OSError:
        return None


def script() -> str | None:
    """Return the path of the user's script that is running. Return None for an installed program, a notebook or a
    prompt."""
    path = _file_of(sys.modules.get("__main__"))
    return path if path is not None and is_own(path) else None


def program_name() -> str:
    """Return the name of the running script, module, program or notebook, or `python` for code without a file.

    The name is read from `sys.argv`, which processes started with `multiprocessing` inherit.
    """
    path = PurePath(sys.argv[0] if sys.argv else "")
    if path.stem.endswith("kernel_launcher"):  # Jupyter and Colab set this variable to the notebook's path
        return PurePath(os.environ.get("JPY_SESSION_NAME") or "notebook").stem
    if path.stem == "__main__":  # python -m package
        return path.parent.name or "python"
    return "python" if path.name in ("", "-", "-c") else path.stem


def _module() -> str | None:
    """Return the name of the module if the program was started with `python -m`."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    name = getattr(spec, "name", None)
    return name if isinstance(name, str) else None


def own_modules() -> dict[str, str]:
    """Return the names of the user's loaded modules, keyed by file. Installed modules and modules of Python and
    runfolio are left out."""
    names = {}
    for name, module in sys.modules.copy().items():  # unlike `tuple`, `copy` is safe while other threads import modules
        path = _file_of(module)
        if name != "__main__" and path is not None and path not in names and is_own(path):
            names[path] = name
    return names


def _file_of(module: object) -> str | None:
    """Return the file of a module, or None for other objects in `sys.modules`.

    The module's `__getattr__` is not called, because that would load a lazy module.
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
    """Return the folders of Python, the virtual environment, runfolio and `dist-packages`, each with a trailing
    separator."""
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}
    folders.add(os.fspath(Path(__file__).parents[2]))
    if sys.prefix != sys.base_prefix:
        folders.add(sys.prefix)
    named = {folder for folder in folders if folder}
    resolved = {os.path.realpath(folder) for folder in named}
    debian = {os.fspath(Path(folder).parent / "dist-packages") for folder in named}
    return tuple(f"{folder}{os.sep}" for folder in named | resolved | debian)
