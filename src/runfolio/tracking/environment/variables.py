"""Environment variables that affect training. Only variables in a fixed list are recorded (`docs/format.md`,
Environment)."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase

from runfolio.record.base.redaction import redact_mapping

RECORDED = (
    # GPUs and threads
    *("CUDA_*", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG"),
    *("OMP_*", "MKL_*", "KMP_*", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "GOMP_CPU_AFFINITY"),
    # torch and its launchers
    *("PYTORCH_*", "TORCH_*", "TORCHINDUCTOR_*", "TORCHDYNAMO_*", "TORCHELASTIC_*"),
    *("NCCL_*", "GLOO_*", "NVIDIA_TF32_OVERRIDE"),
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
    *("ACCELERATE_*", "DEEPSPEED_*", "HF_HOME", "HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM", "XLA_FLAGS"),
    # clusters
    *("SLURM_*", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST", "HOSTNAME"),
    # Python and the store
    *("PYTHONHASHSEED", "PYTHONPATH", "PYTHONOPTIMIZE", "VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "CONDA_PREFIX"),
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "TZ", "LANG", "LC_ALL", "RUNFOLIO_*"),
)
"""Name patterns of the recorded variables, with `*` as the wildcard. Other variables are not read."""


def variables() -> dict[str, str]:
    """Return the recorded variables that are set, sorted by name and without secrets."""
    named = {name: value for name, value in os.environ.items() if _is_recorded(name)}
    return redact_mapping(dict(sorted(named.items())))


def _is_recorded(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in RECORDED)
