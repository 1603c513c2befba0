"""Recorded environment variables that are set again for the repeated command.

A record may come from another person. Some variables load libraries, start programs or open connections (`LD_PRELOAD`,
`XLA_FLAGS`, `NCCL_NET_PLUGIN`). Therefore, only variables that control the computation are set again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from runfolio.record.base.redaction import REDACTED
from runfolio.record.base.run_parts import Environment
from runfolio.reproduce.recorded_start import RecordedStart
from runfolio.tracking.environment.variables import variables
from runfolio.tracking.process import reproduction
from runfolio.tracking.process.distributed import RUN_ID

PYTHON_PATH = "PYTHONPATH"
_MACHINE_VARIABLES = (
    *("RUNFOLIO_*", "SLURM_*", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST", "HOSTNAME"),
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
    *("TORCHELASTIC_*", "ACCELERATE_*", "VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "CONDA_PREFIX", "TORCHINDUCTOR_CACHE_DIR"),
)
"""Patterns of recorded variables that describe the machine and do not affect the program."""
_TAKEN = frozenset(
    (
        # Python, time zone and language
        *("PYTHONHASHSEED", "PYTHONOPTIMIZE", "TZ", "LANG", "LC_ALL"),
        # GPUs and their precision
        *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_LAUNCH_BLOCKING", "CUDA_DEVICE_MAX_CONNECTIONS"),
        *("CUDA_MODULE_LOADING", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
        *("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
        *("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "PYTORCH_ENABLE_MPS_FALLBACK"),
        # threads
        *("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_DYNAMIC", "OMP_NESTED", "OMP_MAX_ACTIVE_LEVELS", "OMP_SCHEDULE"),
        *("OMP_PROC_BIND", "OMP_PLACES", "OMP_WAIT_POLICY", "OMP_STACKSIZE", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"),
        *("KMP_BLOCKTIME", "KMP_DETERMINISTIC_REDUCTION", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"),
        *("MKL_NUM_THREADS", "MKL_DOMAIN_NUM_THREADS", "MKL_DYNAMIC", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS"),
        *("MKL_THREADING_LAYER", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "TOKENIZERS_PARALLELISM"),
        # compilation and communication
        *("TORCH_COMPILE_DISABLE", "TORCHDYNAMO_DISABLE", "TORCHINDUCTOR_MAX_AUTOTUNE", "TORCHINDUCTOR_FREEZING"),
        *("TORCHINDUCTOR_FALLBACK_RANDOM", "TORCHINDUCTOR_COORDINATE_DESCENT_TUNING", "HF_HUB_OFFLINE"),
        *("NCCL_ALGO", "NCCL_PROTO", "NCCL_P2P_DISABLE", "NCCL_P2P_LEVEL", "NCCL_SHM_DISABLE", "NCCL_IB_DISABLE"),
        *("NCCL_MIN_NCHANNELS", "NCCL_MAX_NCHANNELS", "NCCL_NTHREADS", "NCCL_BUFFSIZE"),
    )
)
"""Variables that are taken from a record. None of them can name a program, library, file or host to use."""
_REMOVED_VARIABLES = (RUN_ID, "RUNFOLIO_CODE", reproduction.STOP_AFTER, reproduction.CHANGED)
"""Variables of the current shell that would change how the repeated run is recorded."""
_THREADS_VARIABLE = "OMP_NUM_THREADS"


class TakenVariables(NamedTuple):
    """Changes to the variables of the current shell for the repeated command."""

    values: dict[str, str]
    unset: list[str]
    """Variables of the current shell that the command must not inherit."""
    left_out: list[str]
    """Recorded variables that differ from the current shell but are not set for the command."""


def program_variables(values: Mapping[str, str]) -> dict[str, str]:
    """Return the recorded variables that can affect a program, without those that describe the machine."""
    return {
        name: value
        for name, value in values.items()
        if not any(fnmatchcase(name, pattern) for pattern in _MACHINE_VARIABLES)
    }


def without_own_threads(
    environment: Environment, before: dict[str, str], after: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables of a run and of its reproduction. A thread count that `take_variables` added is left out.

    Args:
        environment: Recorded environment of the run.
        before: Variables of the run.
        after: Variables of the reproduction.
    """
    threads = str((environment.get("torch") or {}).get("threads"))
    if _THREADS_VARIABLE not in before and after.get(_THREADS_VARIABLE) == threads:
        after = {name: value for name, value in after.items() if name != _THREADS_VARIABLE}
    return before, after


def take_variables(start: RecordedStart, tree: Path) -> TakenVariables:
    """Choose the variables to set for the command.

    A folder of the recorded `PYTHONPATH` is used only if it is below the code's root or on today's `PYTHONPATH`.

    Args:
        tree: Folder that the code is written to.
    """
    recorded = program_variables(start.run.document.environment.get("variables") or {})
    recorded = {name: value for name, value in recorded.items() if isinstance(value, str) and REDACTED not in value}
    values = {name: value for name, value in recorded.items() if name in _TAKEN}
    threads = (start.run.document.environment.get("torch") or {}).get("threads")
    if isinstance(threads, int) and threads > 0:
        values.setdefault(_THREADS_VARIABLE, str(threads))
    entries = [entry for entry in recorded.pop(PYTHON_PATH, "").split(os.pathsep) if entry]
    folders = {entry: _trusted_folder(entry, start, tree) for entry in entries}
    paths = [*_editable_package_folders(start, tree), *filter(None, folders.values())]
    if paths:
        values[PYTHON_PATH] = os.pathsep.join(dict.fromkeys(paths))
    unset = [name for name in variables() if name in {*_TAKEN, PYTHON_PATH} and name not in values]
    left_out = [name for name, value in recorded.items() if name not in _TAKEN and os.environ.get(name) != value]
    left_out += [f"{entry} of {PYTHON_PATH}" for entry, folder in folders.items() if folder is None]
    return TakenVariables(values, [*unset, *(name for name in _REMOVED_VARIABLES if name in os.environ)], left_out)


def _trusted_folder(entry: str, start: RecordedStart, tree: Path) -> str | None:
    """Return the path that the command uses for an entry of the recorded `PYTHONPATH`, or None if the entry is not
    trusted."""
    if entry in os.environ.get(PYTHON_PATH, "").split(os.pathsep) and os.path.isabs(entry):  # noqa: PTH117 - a string
        return _moved(entry, start.root, tree)
    folder = os.path.normpath(start.folder / entry)
    return _moved(folder, start.root, tree) if Path(folder).is_relative_to(start.root) else None


def _editable_package_folders(start: RecordedStart, tree: Path) -> Iterable[str]:
    """Yield the folders of packages that were installed from the run's own repository. On `PYTHONPATH`, these folders
    take precedence over the packages that are installed today."""
    if tree == start.root:
        return
    for origin in (start.run.document.environment.get("installed_from") or {}).values():
        project = os.path.normpath(str(origin).removeprefix("file://").removesuffix(" (editable)"))
        if str(origin).endswith(" (editable)") and Path(project).is_relative_to(start.root):
            moved = _moved(project, start.root, tree)
            yield from (os.fspath(Path(moved) / "src"), moved)


def _moved(folder: str, root: Path, tree: Path) -> str:
    """Return the path in the fresh folder that corresponds to `folder`. A path outside of the root is not changed."""
    path = Path(folder)
    return os.fspath(tree / path.relative_to(root) if path.is_relative_to(root) else path)
