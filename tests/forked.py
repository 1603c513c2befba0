"""Python processes that start with their imports done.

Run as a program, this file is a server: it imports modules, then forks one process per request. The imports cost up to
eight seconds, which are paid once per session. Each process is still one of its own: its script is `__main__`, it can
be killed, and it ends as an interpreter does.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, Any

RUNFOLIO = (
    "numpy",
    "psutil",
    "pyarrow.parquet",
    "pynvml",
    "runfolio.cli",
    "runfolio.query.store",
    "runfolio.record.points.compaction",
    "runfolio.tracking.fork",
    "runfolio.tracking.init",
    "runfolio.tracking.monitors.machine_load",
    "runfolio.tracking.opening",
    "runfolio.tracking.resume",
)
"""Modules that a run and its readers import, without torch."""
TORCH = (
    *RUNFOLIO,
    "runfolio.tracking.data_log",
    "runfolio.tracking.monitors.model_graph",
    "runfolio.tracking.monitors.watch",
    "runfolio.vision.evaluation.class_report",
    "runfolio.vision.run",
    "safetensors.torch",
    "sklearn.datasets",
    "sklearn.model_selection",
    "torch._dynamo",  # an optimizer imports it at its first step
)
"""Modules that a training imports."""
TIMEOUT_S = 120.0
"""Seconds that a process of a test may take."""
_CLOSING_S = 10.0
"""Seconds in which the server must end when it is closed."""
_HEEDED = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
"""Variables of the interpreter that a forked process heeds."""
_MAX_REQUEST = 1 << 20
"""Bytes of a request, most of which are environment variables."""


class Process:
    """A forked process, with the methods of `subprocess.Popen`."""

    def __init__(self, server: Forked, pid: int) -> None:
        self._server = server
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float = TIMEOUT_S) -> int:
        """Return the exit status.

        Raises:
            subprocess.TimeoutExpired: The process took too long; it is killed.
        """
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                self.kill()
                self.wait()
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(0.005)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:  # after its end, the pid may be another process's
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forked:
    """Client of the server, which it starts at the first request."""

    def __init__(self, modules: Sequence[str]) -> None:
        """Prepare a client; no server is started yet.

        Args:
            modules: Names of the modules that the server imports.
        """
        self._modules = modules
        self._server: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def start(
        self,
        *arguments: object,
        cwd: Path,
        env: Mapping[str, str] = os.environ,
        stdin: IO[Any] | None = None,
        stdout: IO[Any] | None = None,
        stderr: IO[Any] | None = None,
    ) -> Process:
        """Start the program that `python` would run with these arguments.

        Args:
            arguments: `-W ACTION` or not, then the path of a script, `-m` and a module, or `-c` and code; then its own.
            stdin: An open file to read from; by default, the null device. The outputs work the same way.
        """
        request = {"start": list(map(str, arguments)), "cwd": str(cwd), "env": dict(env)}
        with Path(os.devnull).open("r+b") as null:
            return Process(self, self.ask(request, *(stream or null for stream in (stdin, stdout, stderr))))

    def run(
        self,
        *arguments: object,
        cwd: Path,
        env: Mapping[str, str] = os.environ,
        stdin: str = "",
        timeout: float = TIMEOUT_S,
    ) -> subprocess.CompletedProcess[str]:
        """Run a process to its end, as `subprocess.run` does with captured output."""
        with contextlib.ExitStack() as files:
            source, stdout, stderr = (files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3))
            source.write(stdin)
            source.seek(0)
            code = self.start(*arguments, cwd=cwd, env=env, stdin=source, stdout=stdout, stderr=stderr).wait(timeout)
            for stream in (stdout, stderr):
                stream.seek(0)
            return subprocess.CompletedProcess(list(map(str, arguments)), code, stdout.read(), stderr.read())

    def ask(self, request: dict[str, Any], *files: IO[Any]) -> Any:
        """Send a request and return the answer.

        If the wait for it is interrupted, as by a test's timeout, the server and all its processes are killed.
        """
        if self._socket is None:
            self._socket = self._start_server()
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode()], [file.fileno() for file in files])
            return json.loads(self._socket.recv(_MAX_REQUEST))
        except BaseException:
            self._kill()
            raise

    def close(self) -> None:
        """End the server."""
        if self._server is not None and self._socket is not None:
            self._socket.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(_CLOSING_S)
            self._kill()

    def _start_server(self) -> socket.socket:
        # One message per request and answer: no lines to be split. PYTHONPATH is that of each process alone.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), *self._modules],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return ours

    def _kill(self) -> None:
        """Kill the server and all processes that are still in its group."""
        if self._server is not None and self._socket is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
            self._socket.close()
            self._server = self._socket = None


def preload(modules: Sequence[str]) -> dict[str, str]:
    """Import the modules, and return the environment variables that they set.

    Raises:
        RuntimeError: An import started a thread, which no forked process would have.
    """
    before = set(os.environ)
    for name in modules:
        importlib.import_module(name)
    # jemalloc, which comes with pyarrow, starts its own thread again in a forked process.
    threads = [comm.read_text().strip() for comm in Path("/proc/self/task").glob("*/comm")]
    if len(threads) - threads.count("jemalloc_bg_thd") > 1:
        raise RuntimeError(f"the imports started a thread: {', '.join(threads)}")
    # Otherwise the garbage collector of a forked process walks through all that was imported, and so copies it.
    gc.freeze()
    return {name: value for name, value in os.environ.items() if name not in before}


def serve(connection: socket.socket) -> dict[str, Any] | None:
    """Answer requests until the connection is closed; in each forked process, return its request."""
    while True:
        message, streams, _, _ = socket.recv_fds(connection, _MAX_REQUEST, 3)
        if not message:
            return None
        request = json.loads(message)
        if "start" in request:
            answer = os.fork()
            if answer == 0:
                connection.close()
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                    os.close(stream)
                return request
            for stream in streams:
                os.close(stream)
        else:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        connection.send(json.dumps(answer).encode())


def become(request: dict[str, Any], variables: dict[str, str]) -> None:
    """Run the requested script, module or code as the main program of this process.

    Args:
        variables: Environment variables that the imports set.
    """
    changed = {name for name, _ in set(os.environ.items()) ^ set(request["env"].items())}
    if late := sorted(name for name in changed - _HEEDED if name.startswith("PYTHON")):
        raise ValueError(f"only the start of an interpreter reads {', '.join(late)}; start one")
    os.environ.clear()
    os.environ.update(variables | request["env"])
    os.chdir(request["cwd"])
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.modules["numpy"].random.seed()  # a fork inherits the state
    kind, *rest = request["start"]
    if kind == "-W":
        action, kind, *rest = rest
        sys.warnoptions.append(action)
        warnings.simplefilter(action)  # type: ignore[arg-type]
    if kind == "-m":
        module, *rest = rest
        sys.argv, sys.path[0] = [module, *rest], str(Path.cwd())
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    main = ModuleType("__main__")
    if kind == "-c":
        code, *rest = rest
        sys.argv, sys.path[0] = ["-c", *rest], ""
        name = "<string>"
    else:
        code, name = Path(kind).read_text(encoding="utf-8"), kind
        sys.argv, sys.path[0] = [kind, *rest], os.path.dirname(kind)  # noqa: PTH120 - a text, as Python has it
        main.__file__ = kind
    sys.modules["__main__"] = main
    exec(compile(code, name, "exec", dont_inherit=True), vars(main))


if __name__ == "__main__":
    variables = preload(sys.argv[2:])
    if asked := serve(socket.socket(fileno=int(sys.argv[1]))):
        become(asked, variables)
