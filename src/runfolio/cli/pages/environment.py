"""What surrounded a run, in a few lines for its page: environment, code, load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.cli.pages.code import harmless
from runfolio.record.points.metric_summary import SYSTEM

if TYPE_CHECKING:
    from runfolio.query.recorded_data import DataFacts
    from runfolio.query.run import RecordedRun

_KEY_PACKAGES = ("torch", "torchvision", "numpy", "lightning", "transformers", "timm", "runfolio")
_MB = 1e6


def data(run: RecordedRun) -> dict[str, Any]:
    """What it was given: how much, the fingerprint, from where; and whether that changed on the way."""
    return {harmless(name): ", ".join(_facts_of_data(facts, run)) for name, facts in run.data.items()}


def _facts_of_data(facts: DataFacts, run: RecordedRun) -> list[str]:
    size = f" ({formatting.size(facts.bytes)})" if facts.bytes is not None else ""
    missing = facts.trouble or (
        "not computed yet" if run.state == "running" else "the run ended before it was computed"
    )
    earlier = [formatting.fingerprint(each.fingerprint) for each in facts.earlier if each.fingerprint]
    said = [
        f"{facts.items:,} items{size}" if facts.items is not None else None,
        formatting.fingerprint(facts.fingerprint) if facts.fingerprint else f"no fingerprint: {missing}",
        facts.source,
        f"since attempt {facts.attempt}; before that {', '.join(earlier)}" if earlier else None,
    ]
    return [harmless(text) for text in said if text]


def environment(run: RecordedRun) -> dict[str, Any]:
    found = run.document.environment
    packages = found.get("packages") or {}
    versions = [f"{name} {packages[name]}" for name in _KEY_PACKAGES if name in packages]
    return {
        "python": ", ".join([found["python"], *versions]) if "python" in found else None,
        "packages": f"{len(packages)} installed" if packages else None,
        "machine": ", ".join(_machine(found)),
        "device": found.get("device"),
        "torch": ", ".join(_switches(found.get("torch") or {})),
        "seeds": ", ".join(name if seed is True else f"{name} {seed}" for name, seed in _seeds(run.document.seeds)),
    }


def code(run: RecordedRun) -> dict[str, Any]:
    found, captured = run.code, run.code.capture
    branch = f" on {found.info['branch']}" if found.info.get("branch") else ""
    size = f" ({formatting.size(captured.diff_bytes)})" if captured and captured.diff else ""
    changed = f", with uncommitted changes{size}" if found.info.get("dirty") else ""
    return {
        "command": " ".join(map(str, found.info.get("command") or ())),
        "folder": found.info.get("folder"),
        "remote": found.info.get("remote"),
        "commit": f"{found.info['commit']}{branch}{changed}" if found.info.get("commit") else None,
        "files": f"{len(captured.files)} kept, {len(captured.left_out)} left out" if captured else None,
    }


def load(run: RecordedRun) -> dict[str, Any]:
    """Mean and peak of what was sampled; what the training waited for and how fast it went."""
    gpus = sorted({name.split("/")[1] for name in run.system_metrics if name.startswith(f"{SYSTEM}gpu")})
    looks: dict[str, tuple[str, Callable[[float], str]]] = {
        "CPU": ("cpu", _percent),
        "processes": ("process_cpu", lambda value: f"{value / 100:.2g} processors"),
        "memory": ("memory_mb", _megabytes),
        **{f"{gpu.upper()} use": (f"{gpu}/use", _percent) for gpu in gpus},
        **{f"{gpu.upper()} memory": (f"{gpu}/memory_mb", _megabytes) for gpu in gpus},
        **{f"{gpu.upper()} power": (f"{gpu}/power_w", lambda value: f"{value:.0f} W") for gpu in gpus},
        "waited for data": ("data_wait", lambda share: f"{share * 100:.0f} % of the time"),
        "samples a second": ("samples_per_s", formatting.significant),
        "steps a second": ("steps_per_s", formatting.significant),
    }
    return {
        title: _mean_and_peak(run, f"{SYSTEM}{metric}", show)
        for title, (metric, show) in looks.items()
        if f"{SYSTEM}{metric}" in run.system_metrics
    }


def _mean_and_peak(run: RecordedRun, metric: str, show: Callable[[float], str]) -> str:
    values = run.metric(metric).values
    return f"{show(float(values.mean()))}, at most {show(float(values.max()))}" if len(values) > 1 else show(values[0])


def _percent(value: float) -> str:
    return f"{value:.0f} %"


def _megabytes(value: float) -> str:
    return formatting.size(value * _MB)


def _machine(found: Mapping[str, Any]) -> list[str]:
    """Host, processor, memory, GPUs, container."""
    cpu = found.get("cpu") or {}
    memory = found.get("memory_limit_mb") or found.get("memory_mb")
    gpus = Counter((gpu["name"], gpu["memory_mb"]) for gpu in found.get("gpus") or ())
    parts = [
        found.get("host"),
        cpu.get("model"),
        f"{cpu['usable']:g} of {cpu['threads']} processors" if cpu.get("usable") else None,
        f"{_megabytes(memory)} memory" if memory else None,
        *(f"{count} x {name} with {_megabytes(size)}" for (name, size), count in gpus.items()),
        f"driver {found['driver']}" if found.get("driver") else None,
        found["container"]["kind"] if found.get("container") else None,
    ]
    return [part for part in parts if part]


def _switches(torch: Mapping[str, Any]) -> list[str]:
    """What torch was set to, as far as it decides how exactly a result can be had again."""
    precision, threads = torch.get("matmul_precision"), torch.get("threads")
    said = {
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
    return [name for name, holds in said.items() if holds]


def _seeds(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Those to be read: digests of states are for comparing, and what is off goes without saying."""
    return [
        (name, seed)
        for name, seed in found.items()
        if seed is not None and seed is not False and not str(seed).startswith("state ")
    ]
