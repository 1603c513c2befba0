"""Runs in notebooks: cells determine how they end, in real kernels, executed by hand and by nbclient."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager, KernelManager
from nbclient.exceptions import CellExecutionError

import runfolio
from runfolio.record.content.console_log import log_path

_COMMAND = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
_SPEC = KernelSpec(argv=_COMMAND, display_name="runfolio", language="python")
_OPEN = "recording=runfolio.RecordingConfig(code=False, system_s=0)"


class _Manager(KernelManager):
    @property
    def kernel_spec(self) -> KernelSpec:
        return _SPEC


class _AsyncManager(AsyncKernelManager):
    @property
    def kernel_spec(self) -> KernelSpec:
        return _SPEC


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use one store for kernels and this process, and a separate folder for Jupyter's files."""
    monkeypatch.setenv("RUNFOLIO_STORE", str(tmp_path / "runs"))
    monkeypatch.delenv("RUNFOLIO_CONSOLE")
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))


@pytest.fixture
def kernel() -> Iterator[_Manager]:
    manager = _Manager()
    manager.start_kernel(stdout=os.open(os.devnull, os.O_WRONLY), stderr=os.open(os.devnull, os.O_WRONLY))
    yield manager
    if manager.has_kernel:
        manager.shutdown_kernel(now=True)


@pytest.fixture
def execute(kernel: _Manager) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Execute a cell in the kernel and return the reply."""
    client = kernel.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield lambda cell: client.execute_interactive(cell, output_hook=lambda message: None, timeout=60)["content"]
    client.stop_channels()


def ends(*names: str) -> list[str]:
    folio = runfolio.open()
    return [folio.run(name).ending for name in names]


def test_cells_of_a_session_determine_how_its_runs_end(kernel: _Manager, execute: Callable):
    """One kernel for all cases, since starting it takes longer than all of them."""
    execute(f"import os, runfolio\ndef start(name):\n    return runfolio.init(name, {_OPEN})")
    execute("run = start('fails')\nprint('printed by a cell')")
    execute("run.log({'loss': 1.0})\nos.system('echo printed by a program')\n\nraise ValueError('bad shape')")
    execute("print('a cell without the run')")
    execute("run = start('recovers')")
    execute("run.log({'loss': 1.0})\n1 / 0")
    execute("run.log({'loss': 1.0})")
    execute("run = start('unrelated')")
    execute("undefined")
    execute("import json")
    execute("run = start('interrupted')")
    execute("step = 5\nos.kill(os.getpid(), 2)")
    execute("run = start('finishes')")
    execute("run.log({'loss': 1.0})\nrun.finish()")
    execute("1 / 0")
    execute("await __import__('asyncio').sleep(0)\nrun = start('awaits')")
    execute("runfolio.seed_everything(3)\nrunfolio.log({'loss': 3.0})")
    execute("writer = runfolio.create_writer('writers', 'writer')")
    execute("writer.add_scalar('loss', 1.0)\nx = = 3")
    kernel.restart_kernel()
    assert ends("fails", "recovers", "unrelated", "interrupted", "finishes", "awaits", "writer") == [
        "failed: ValueError: bad shape in cell 3, line 4",
        "finished",
        "finished",
        "interrupted: interrupted in cell 12, line 2",
        "finished",
        "finished",
        "failed: SyntaxError: invalid syntax in cell 19, line 2",
    ]
    awaited = runfolio.open().run("awaits")
    assert awaited.metric("loss").values.tolist() == [3.0]
    assert awaited.document.seeds["seed"] == 3
    failed = runfolio.open().run("fails")
    console = log_path(failed.folder, failed.document.attempts[-1].writer).path.read_text()
    assert sorted(console.splitlines()) == ["a cell without the run", "printed by a cell", "printed by a program"]
    assert failed.duration_s is not None


@pytest.mark.parametrize(
    ("last_cells", "state"),
    [
        (["raise RuntimeError('shapes')", "run.finish()"], "failed: RuntimeError: shapes in cell 3, line 1"),
        (["run.log({'loss': 0.5})"], "finished"),
    ],
)
def test_notebook_executed_by_nbclient_ends_with_its_last_cell(last_cells: list[str], state: str):
    cells = ["import runfolio", f"run = runfolio.init('nb', {_OPEN})\nrun.log({{'loss': 1.0}})", *last_cells]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(notebook, timeout=60, kernel_manager_class=_AsyncManager)
    if state == "finished":
        client.execute()
    else:
        with pytest.raises(CellExecutionError):
            client.execute()
    assert ends("nb") == [state]
