"""Program that runs one measurement in a fresh process (`python -m benchmarks.child MODULE:FUNCTION ARGUMENTS RESULT`).

The arguments and the result are JSON. The result is written to a file, since loggers may print anything.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    target, arguments, result = sys.argv[1:]
    module, _, function = target.partition(":")
    value = getattr(import_module(f"benchmarks.{module}"), function)(**json.loads(arguments))
    Path(result).write_text(json.dumps(value))


if __name__ == "__main__":
    main()
