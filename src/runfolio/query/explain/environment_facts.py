"""Description of the environment and the code of a run in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from runfolio.query.run_view import RunView
from runfolio.record.base.byte_sizes import byte_size
from runfolio.record.base.run_parts import Environment, Torch

_KEY_PACKAGES = ("torch", "torchvision", "numpy", "lightning", "transformers", "timm", "runfolio")
_MB = 1e6


def environment_facts(run: RunView) -> dict[str, Any]:
    """Describe Python, packages, machine, device, torch settings and seeds. Unknown facts are None or empty."""
    recorded = run.document.environment
    packages = recorded.get("packages") or {}
    versions = [f"{name} {packages[name]}" for name in _KEY_PACKAGES if name in packages]
    return {
        "python": ", ".join([recorded["python"], *versions]) if "python" in recorded else None,
        "packages": f"{len(packages)} installed" if packages else None,
        "machine": ", ".join(_machine(recorded)),
        "device": recorded.get("device"),
        "torch": ", ".join(_switches(recorded.get("torch") or {})),
        "seeds": ", ".join(name if seed is True else f"{name} {seed}" for name, seed in _seeds(run.document.seeds)),
    }


def code_facts(run: RunView) -> dict[str, Any]:
    """Describe the command, its folder, the state of the git repository, and the captured files."""
    recorded, captured = run.code.info, run.code.readable_capture
    branch = f" on {name}" if (name := recorded.get("branch")) else ""
    size = f" ({byte_size(captured.diff_bytes)})" if captured and captured.diff else ""
    changed = f", with uncommitted changes{size}" if recorded.get("dirty") else ""
    return {
        "command": " ".join(map(str, recorded.get("command") or ())),
        "folder": recorded.get("folder"),
        "remote": recorded.get("remote"),
        "commit": f"{commit}{branch}{changed}" if (commit := recorded.get("commit")) else None,
        "git": recorded.get("git_problem"),
        "files": f"{len(captured.files)} kept, {len(captured.left_out)} left out" if captured else None,
    }


def _machine(environment: Environment) -> list[str]:
    """Describe the host, processor, memory, GPUs and container."""
    cpu = environment.get("cpu") or {}
    memory = environment.get("memory_limit_mb") or environment.get("memory_mb")
    gpus = Counter((gpu.get("name", "GPU"), gpu.get("memory_mb")) for gpu in environment.get("gpus") or ())
    parts = [
        environment.get("host"),
        cpu.get("model"),
        f"{usable:g} of {cpu.get('threads')} processors" if (usable := cpu.get("usable")) else None,
        f"{byte_size(_MB * memory)} memory" if memory else None,
        *(
            f"{count} x {name}" + (f" with {byte_size(_MB * size)}" if size else "")
            for (name, size), count in gpus.items()
        ),
        f"driver {driver}" if (driver := environment.get("driver")) else None,
        (environment.get("container") or {}).get("kind"),
    ]
    return [part for part in parts if part]


def _gpus(name: str, memory_mb: int | None, count: int) -> str:
    return f"{count} x {name}" + (f" with {byte_size(_MB * memory_mb)}" if memory_mb else "")


def _switches(torch: Torch) -> list[str]:
    """Describe the torch settings that affect reproducibility."""
    precision, threads = torch.get("matmul_precision"), torch.get("threads")
    names = {
        f"CUDA {torch.get('cuda')}": torch.get("cuda"),
        f"cuDNN {torch.get('cudnn')}": torch.get("cudnn"),
        "deterministic algorithms": torch.get("deterministic_algorithms"),
        "cuDNN deterministic": torch.get("cudnn_deterministic"),
        "cuDNN benchmark": torch.get("cudnn_benchmark"),
        "cuDNN without TF32": torch.get("cudnn_tf32") is False,
        f"matmul precision {precision}": precision not in (None, "highest"),
        f"cuBLAS workspace {torch.get('cublas_workspace')}": torch.get("cublas_workspace"),
        f"{threads} {'thread' if threads == 1 else 'threads'}": threads,
    }
    return [name for name, is_set in names.items() if is_set]


def _seeds(seeds: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the seeds to show. Digests of generator states are left out, and so are switches that are off."""
    return [
        (name, seed)
        for name, seed in seeds.items()
        if seed is not None and seed is not False and not str(seed).startswith("state ")
    ]
