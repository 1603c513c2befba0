"""Follow a document: write its files, run its code and type its commands, in the order of the page.

| block | what is done |
|---|---|
| `python NAME.py`, `yaml NAME.yaml` | the file is written into the working folder |
| `python` | the code is run |
| `sh` | each line is typed; a line that ends with `# Ctrl-C` is interrupted after its second epoch |
| `sh` with a title, such as `sh network` | only parsed, by `test_docs.py` |
| `text` | every word of it must be in what the blocks before it printed |
| `text same` | the same, and also on a walk at a budget, where other blocks of text are passed over |
| `text figures` | so must every figure such as 0.8990, but for 0.01, since machines round differently |
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from ..forked import Forked
from .commands import Block, blocks, shell_lines

_ECHO = """
python() { printf '%q ' python "$@"; echo; }
runfolio() { printf '%q ' runfolio "$@"; echo; }
"""
"""Functions of bash that print a command instead of running it: bash unrolls loops, and this module runs them."""


class Walk:
    """One walk through a document, in a folder of its own."""

    def __init__(self, forked: Forked, folder: Path, change: Callable[[list[str]], list[str]] = list) -> None:
        """Prepare a walk.

        Args:
            change: Returns the words of a command as they are typed here, at a budget for tests.
        """
        self._forked, self._folder, self._change = forked, folder, change
        self._whole = change is list
        # A reader has the features that conftest.py turns off for other tests.
        hidden = ("RUNFOLIO_QUIET", "RUNFOLIO_CONSOLE", "COLUMNS", "LINES")
        self._environment = {name: value for name, value in os.environ.items() if name not in hidden}
        self._printed = ""

    def page(self, document: str) -> None:
        for block in blocks(document):
            self._block(block)

    def _block(self, block: Block) -> None:
        if block.language in ("python", "yaml") and block.title:
            (self._folder / block.title).write_text(block.text + "\n", encoding="utf-8")
        elif block.language == "python":
            self._run(["python", "-c", block.text])
        elif block.language == "sh" and not block.title:
            self._printed = ""
            self._shell(block.text)
        elif block.language == "text" and (self._whole or block.title == "same"):
            missing = words(block.text) - words(self._printed)
            assert not missing, f"not printed any more: {sorted(missing)}\n{block.text}\n---\n{self._printed}"
            if block.title == "figures":
                printed = figures(self._printed)
                assert not [
                    value for value in figures(block.text) if min(abs(value - other) for other in printed) > 0.01
                ]

    def _shell(self, text: str) -> None:
        if text.startswith("for "):
            for line in self._bash(_ECHO + text).splitlines():
                self._run(shlex.split(line))
            return
        for line in shell_lines(text):
            command, _, remark = line.partition("  # ")
            if remark.startswith("Ctrl-C"):
                self._interrupt(shlex.split(command))
            elif re.match(r"(python|runfolio) [^|]*$", command):
                self._run(shlex.split(command))
            else:
                self._printed += self._bash(command)

    def _bash(self, text: str) -> str:
        """Run a line of ordinary programs."""
        done = subprocess.run(
            ["bash", "-ec", text], cwd=self._folder, env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stderr}"
        return done.stdout

    def _run(self, typed: list[str]) -> None:
        """Run a command; `> NAME` at its end writes its output to a file."""
        file = typed[-1] if typed[-2:-1] == [">"] else None
        typed = typed[:-2] if file else typed
        done = self._forked.run(*self._arguments(typed), cwd=self._folder, env=self._environment)
        assert done.returncode == 0, f"{shlex.join(typed)}\n{done.stdout}\n{done.stderr}"
        self._printed += done.stdout + done.stderr
        if file is not None:
            (self._folder / file).write_text(done.stdout, encoding="utf-8")

    def _arguments(self, typed: list[str]) -> list[str]:
        program, *rest = typed
        return [*([] if program == "python" else ["-m", "runfolio"]), *self._change(rest)]

    def _interrupt(self, typed: list[str]) -> None:
        """Start the command, and interrupt it once it has saved a checkpoint."""
        before = set(self._folder.glob("runs/**/last.json"))
        with (self._folder / ".printed").open("w+") as printed:
            process = self._forked.start(
                *self._arguments(typed), cwd=self._folder, env=self._environment, stdout=printed, stderr=printed
            )
            while process.poll() is None and not self._saved(before):
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            ends = (130, -signal.SIGINT)  # of `runfolio`, and of a Python script
            assert process.wait() in ends, f"{shlex.join(typed)} was over before it could be interrupted"
            printed.seek(0)
            self._printed += printed.read()

    def _saved(self, before: set[Path]) -> bool:
        new = set(self._folder.glob("runs/**/last.json")) - before
        return any(orjson.loads(manifest.read_bytes())["step"] >= 2 for manifest in new)


def words(text: str) -> set[str]:
    """Return the words of a text; ids, numbers, times, paths and names that were shortened are none."""
    named = re.sub(r"(^|\()[0-9a-z]{8}\b", "", text, flags=re.MULTILINE)  # an id need not have a digit
    tokens = [token for token in named.split() if not re.search(r"[\d/…]", token)]
    return {word for token in tokens for word in re.findall(r"[a-z]{3,}", token)} - {"ago", "just", "min", "now"}


def figures(text: str) -> list[float]:
    """Return the numbers of a text that have exactly four decimals."""
    return [float(number) for number in re.findall(r"(?<![\d.])\d\.\d{4}(?!\d)", text)]
