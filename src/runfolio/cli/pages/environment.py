"""Describe the data, environment, code and load of a run in a few lines, for the run's page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.record.points.metric_summary import SYSTEM

if TYPE_CHECKING:
    from runfolio.query.recorded_data import DataFacts
    from runfolio.query.run import RecordedRun
    from runfolio.record.base.run_parts import Environment, Torch

_KEY_PACKAGES = ("torch", "torchvision", "numpy", "lightning", "transformers", "timm", "runfolio")
_MB = 1e6


def data_facts(run: RecordedRun) -> dict[str, Any]:
    """Describe the run's data sets: size, fingerprint, source, and earlier fingerprints if the data changed."""
    return {name: ", ".join(_dataset_facts(facts, run)) for name, facts in run.data.items()}


def _dataset_facts(facts: DataFacts, run: RecordedRun) -> list[str]:
    size = f" ({formatting.byte_size(facts.bytes)})" if facts.bytes is not None else ""
    missing = facts.trouble or (
        "not computed yet" if run.state == "running" else "the run ended before it was computed"
    )
    earlier = [formatting.fingerprint(version.fingerprint) for version in facts.earlier if version.fingerprint]
    texts = [
        f"{facts.items:,} items{size}" if facts.items is not None else None,
        formatting.fingerprint(facts.fingerprint) if facts.fingerprint else f"no fingerprint: {missing}",
        facts.source,
        f"since attempt {facts.attempt}; before that {', '.join(earlier)}" if earlier else None,
    ]
    return [text for text in texts if text]


def environment_facts(run: RecordedRun) -> dict[str, Any]:
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


def code_facts(run: RecordedRun) -> dict[str, Any]:
    recorded, captured = run.code.info, run.code.readable_capture
    branch = f" on {name}" if (name := recorded.get("branch")) else ""
    size = f" ({formatting.byte_size(captured.diff_bytes)})" if captured and captured.diff else ""
    changed = f", with uncommitted changes{size}" if recorded.get("dirty") else ""
    return {
        "command": " ".join(map(str, recorded.get("command") or ())),
        "folder": recorded.get("folder"),
        "remote": recorded.get("remote"),
        "commit": f"{commit}{branch}{changed}" if (commit := recorded.get("commit")) else None,
        "git": recorded.get("git_problem"),
        "files": f"{len(captured.files)} kept, {len(captured.left_out)} left out" if captured else None,
    }


def load_facts(run: RecordedRun) -> dict[str, Any]:
    """Describe the mean and peak load, the fraction of time spent waiting for data, and the training speed."""
    gpus = sorted({name.split("/")[1] for name in run.system_metrics if name.startswith(f"{SYSTEM}gpu")})
    formats: dict[str, tuple[str, Callable[[float], str]]] = {
        "CPU": ("cpu", _percent),
        "processes": ("process_cpu", lambda value: f"{value / 100:.2g} processors"),
        "memory": ("memory_mb", _megabytes),
        **{f"{gpu.upper()} use": (f"{gpu}/use", _percent) for gpu in gpus},
        **{f"{gpu.upper()} memory": (f"{gpu}/memory_mb", _megabytes) for gpu in gpus},
        **{f"{gpu.upper()} power": (f"{gpu}/power_w", lambda value: f"{value:.0f} W") for gpu in gpus},
        "waited for data": ("data_wait", lambda share: f"{share * 100:.0f} % of the time"),
        "samples per second": ("samples_per_s", formatting.significant_digits),
        "steps per second": ("steps_per_s", formatting.significant_digits),
    }
    return {
        title: _mean_and_peak(run, f"{SYSTEM}{metric}", show)
        for title, (metric, show) in formats.items()
        if f"{SYSTEM}{metric}" in run.system_metrics
    }


def _mean_and_peak(run: RecordedRun, metric: str, show: Callable[[float], str]) -> str:
    values = run.metric(metric).values
    return f"{show(float(values.mean()))}, at most {show(float(values.max()))}" if len(values) > 1 else show(values[0])


def _percent(value: float) -> str:
    return f"{value:.0f} %"


def _megabytes(value: float) -> str:
    return formatting.byte_size(value * _MB)


def _machine(environment: Environment) -> list[str]:
    """Describe the host, processor, memory, GPUs and container."""
    cpu = environment.get("cpu") or {}
    memory = environment.get("memory_limit_mb") or environment.get("memory_mb")
    gpus = Counter((gpu.get("name", "GPU"), gpu.get("memory_mb")) for gpu in environment.get("gpus") or ())
    parts = [
        environment.get("host"),
        cpu.get("model"),
        f"{usable:g} of {cpu.get('threads')} processors" if (usable := cpu.get("usable")) else None,
        f"{_megabytes(memory)} memory" if memory else None,
        *(f"{count} x {name}" + (f" with {_megabytes(size)}" if size else "") for (name, size), count in gpus.items()),
        f"driver {driver}" if (driver := environment.get("driver")) else None,
        (environment.get("container") or {}).get("kind"),
    ]
    return [part for part in parts if part]


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
    """Return the seeds to show. Digests of generator states and switches that are off are left out."""
    return [
        (name, seed)
        for name, seed in seeds.items()
        if seed is not None and seed is not False and not str(seed).startswith("state ")
    ]
