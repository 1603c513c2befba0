"""Program that runs a public test suite of SummaryWriter twice, against its own writer and against runfolio's, and
prints the results of both and the tests that fail with runfolio's writer only.

python -m benchmarks.writer_suites test/test_tensorboard.py   test file of a PyTorch checkout
python -m benchmarks.writer_suites tests                      folder of tests of a tensorboardX checkout
python -m benchmarks.writer_suites FILE -- -k graph           options after -- are passed to pytest

A copy of the suite runs in a temporary folder, without changes to its files. This module is also the pytest plugin that
replaces the writer.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from xml.etree import ElementTree as ET

from rich.console import Console

from benchmarks import venvs
from benchmarks.parts import table
from benchmarks.venvs import ROOT

_WRITER = "RUNFOLIO_SUITE_WRITER"
"""Environment variable with the name of the writer to test: one of `_WRITERS`."""
_PACKAGES = "RUNFOLIO_SUITE_PACKAGES"
"""Environment variable with the folder of the packages that only the suites need."""
_WRITERS = ("original", "runfolio")
_USERS = (
    "torch.utils.tensorboard",
    "torch.utils.tensorboard.writer",
    "tensorboardX",
    "tensorboardX.writer",
    "tensorboardX.global_writer",
)
"""Modules whose `SummaryWriter` is replaced."""
_OUTCOMES = ("passed", "failed", "skipped")
_TEST_LIMIT_S = 300
_LONGEST_REASON = 300


class Result(NamedTuple):
    """Result of one test."""

    outcome: str
    reason: str
    """Start of the error message, or an empty text."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", type=Path, help="test file of PyTorch, or folder of tests of tensorboardX")
    parser.add_argument("options", nargs="*", help="options of pytest, after --")
    args = parser.parse_args()
    if not args.suite.exists():
        parser.error(f"{args.suite} does not exist")
    results = {writer: _run(args.suite.resolve(), writer, args.options) for writer in _WRITERS}
    rows = [
        [writer, *(str(Counter(result.outcome for result in tests.values())[outcome]) for outcome in _OUTCOMES)]
        for writer, tests in results.items()
    ]
    original, ours = (results[writer] for writer in _WRITERS)
    only_ours = [
        f"{test}\n    {result.reason}"
        for test, result in ours.items()
        if result.outcome == "failed" and original.get(test, result).outcome != "failed"
    ]
    text = "\n".join([table(("writer", *_OUTCOMES), rows, left=1), "", f"fail with runfolio only: {len(only_ours)}"])
    Console().print("\n".join([text, *only_ours]), markup=False, highlight=False, soft_wrap=True)
    sys.exit(bool(only_ours))


def _run(suite: Path, writer: str, options: Sequence[str]) -> dict[str, Result]:
    """Run a copy of the suite with one writer, and return the result of each test.

    Raises:
        RuntimeError: pytest could not run the suite.
    """
    with tempfile.TemporaryDirectory(prefix="runfolio-suite-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary, "suite")
        if suite.is_dir():
            shutil.copytree(suite, folder / suite.name)
            imports = [suite.parent]
        else:
            _copy_file(suite, folder)
            imports = []
        report = Path(temporary, "report.xml")
        environment = {
            **os.environ,
            _WRITER: writer,
            _PACKAGES: str(venvs.packages("suites")),
            "PYTHONPATH": os.pathsep.join(map(str, [ROOT, *imports])),
            "RUNFOLIO_CACHE": str(Path(temporary, "cache")),
            "MPLBACKEND": "agg",
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "benchmarks.writer_suites", "-p", "no:cacheprovider"]
        limits = [
            "--continue-on-collection-errors",
            "--timeout",
            str(_TEST_LIMIT_S),
            f"--rootdir={folder}",
            f"--junitxml={report}",
        ]
        process = subprocess.run(
            [*command, *limits, *options, suite.name],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            raise RuntimeError(f"pytest cannot run {suite}: {process.stdout[-2000:]}{process.stderr[-2000:]}")
        return _results(report)


def _copy_file(suite: Path, folder: Path) -> None:
    """Copy a test file, and the expected results next to it."""
    folder.mkdir()
    shutil.copy(suite, folder)
    if (suite.parent / "expect").exists():
        shutil.copytree(suite.parent / "expect", folder / "expect")


def _results(report: Path) -> dict[str, Result]:
    """Return the results in a JUnit report, keyed by test."""
    results = {}
    for case in ET.parse(report).iter("testcase"):
        problem = next((part for part in case if part.tag in ("failure", "error", "skipped")), None)
        outcome = "passed" if problem is None else "skipped" if problem.tag == "skipped" else "failed"
        reason = "" if problem is None else " ".join(problem.get("message", "").split())[:_LONGEST_REASON]
        results[f"{case.get('classname')}.{case.get('name')}"] = Result(outcome, reason)
    return results


def pytest_configure() -> None:
    """Make the suites importable with current packages, and replace the writer."""
    sys.path.append(os.environ[_PACKAGES])
    _add_old_modules()
    if os.environ[_WRITER] == "runfolio":
        _replace_writer()


def _add_old_modules() -> None:
    """Add the modules that old versions of PyTorch's test file import, and hide a torchvision that does not load."""
    sys.modules["common_utils"] = importlib.import_module("torch.testing._internal.common_utils")
    package = importlib.import_module("torch.utils.tensorboard")
    if not hasattr(package, "_caffe2_graph"):
        package.__dict__["_caffe2_graph"] = ModuleType("torch.utils.tensorboard._caffe2_graph")
    try:
        importlib.import_module("torchvision")
    except Exception:  # of a build that does not fit torch's
        sys.modules["torchvision"] = None  # pyright: ignore[reportArgumentType] - makes the import fail as if missing


def _replace_writer() -> None:
    import runfolio

    runfolio.SummaryWriter.strict = True
    for name in _USERS:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        module.__dict__["SummaryWriter"] = runfolio.SummaryWriter


if __name__ == "__main__":
    main()
