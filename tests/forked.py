"""Python processes that begin with torch imported: run as a program, this forks one for each script it is told of.

Importing torch costs far more than what a small script does with it; here it is paid once. Each process is one of its
own all the same: its script is `__main__`, it can be killed, and it ends as an interpreter does.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

_PATIENCE_S = 120.0
"""How long a process of a test may take."""
_FAREWELL_S = 10.0
"""How long a server may take to end once nobody asks any more."""


class Server:
    """A program that answers lines of JSON, and whatever it has started. It is there from the first question on."""

    def __init__(self, script: Path, **options: Any) -> None:
        """Args:
        options: Of `subprocess.Popen`.
        """
        self._script, self._options = script, options
        self._process: subprocess.Popen[str] | None = None

    def ask(self, **request: Any) -> Any:
        """Its answer. Who gives up waiting for it, such as a test that takes too long, leaves nothing behind."""
        if self._process is None:
            pipe, command = subprocess.PIPE, [sys.executable, str(self._script)]
            self._process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, text=True, start_new_session=True, **self._options
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())
        except BaseException:
            self.kill()
            raise

    def close(self) -> None:
        """Have it end."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_FAREWELL_S)
        self.kill()

    def kill(self) -> None:
        """End it, and whatever of what it started stayed in its group."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            with self._process:  # closes the pipes and waits
                self._process = None


class Process:
    """What `subprocess.Popen` knows of one."""

    def __init__(self, server: Forked, pid: int) -> None:
        self._server = server
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.ask(task="poll", pid=self.pid)
        return self.returncode

    def wait(self) -> int:
        """Raises subprocess.TimeoutExpired, and kills it, where it takes too long."""
        until = time.monotonic() + _PATIENCE_S
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                self.kill()
                raise subprocess.TimeoutExpired(f"process {self.pid}", _PATIENCE_S)
            time.sleep(0.005)
        return code

    def kill(self) -> None:
        if self.poll() is None:  # else the number may be another's by now
            os.kill(self.pid, signal.SIGKILL)


class Forked(Server):
    """The server's other end."""

    def __init__(self) -> None:
        super().__init__(Path(__file__))

    def start(
        self, *arguments: object, cwd: Path, env: Mapping[str, str] = os.environ, stderr: Path | None = None
    ) -> Process:
        """Run what `python` would be told by these words: the path of a script, or `-c` and its text, and more.

        Args:
            stderr: A file for what it says; nothing that it prints is kept.
        """
        words = list(map(str, arguments))
        pid = self.ask(task="start", words=words, cwd=str(cwd), env=dict(env), stderr=str(stderr or os.devnull))
        return Process(self, pid)


def serve() -> dict[str, Any] | None:
    """Answer requests to their end. It returns in each forked process too, with what that is to do."""
    for line in sys.stdin:
        request = json.loads(line)
        if request["task"] == "start":
            answer = os.fork()
            if answer == 0:
                return request
        else:
            pid, status = os.waitpid(request["pid"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        print(json.dumps(answer), flush=True)
    return None


def become(request: dict[str, Any]) -> None:
    """Be the process that was asked for."""
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    for number, (path, flags) in enumerate(
        [(os.devnull, os.O_RDONLY), (os.devnull, os.O_WRONLY), (request["stderr"], os.O_WRONLY | os.O_CREAT)]
    ):
        os.dup2(os.open(path, flags), number)
    script, *rest = request["words"]
    if script == "-c":
        code, *rest = rest
        sys.argv, sys.path[0] = ["-c", *rest], ""
        sys.modules["__main__"] = main = ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), vars(main))
    else:
        sys.argv, sys.path[0] = [script, *rest], os.path.dirname(script)  # noqa: PTH120 - a text, as Python has it
        runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    # Once, for every script; the last is what an optimizer imports at its first step.
    for name in ("safetensors.torch", "sklearn.datasets", "sklearn.model_selection", "torch._dynamo"):
        importlib.import_module(name)

    if asked := serve():
        become(asked)
