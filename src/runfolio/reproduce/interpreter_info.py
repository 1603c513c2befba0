"""Description of an interpreter's environment, which the interpreter itself prints.

The command is `python -m runfolio.reproduce.interpreter_info PATH`.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from runfolio.tracking.environment import machine, packages


def interpreter_info(path: str) -> dict[str, Any]:
    """Return the parts of a run's `environment` that can be read without executing the run's code.

    Args:
        path: Value of PYTHONPATH for the run. Packages are looked up there, but not imported.
    """
    python_path = set(os.environ.get("PYTHONPATH", "").split(os.pathsep))
    folders = [*path.split(os.pathsep), *(folder for folder in sys.path if folder not in python_path)]
    versions, origins = packages.packages([folder for folder in folders if folder])
    return {
        "python": platform.python_version(),
        "packages": versions,
        "installed_from": origins,
        **machine.machine(Path.cwd()),
    }


if __name__ == "__main__":
    json.dump(interpreter_info(sys.argv[1]), sys.stdout)
