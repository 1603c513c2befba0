"""Describe the data and the load of a run in a few lines, for the run's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.record.points.metric_summary import SYSTEM

if TYPE_CHECKING:
    from runfolio.query.recorded_data import DataFacts
    from runfolio.query.run import RecordedRun

_MB = 1e6


def data_facts(run: RecordedRun) -> dict[str, Any]:
    """Describe the run's data sets: size, source and fingerprint. If the data changed, add the earlier fingerprints."""
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


def load_facts(run: RecordedRun) -> dict[str, Any]:
    """Describe the mean and peak load of the machine, the share of time spent waiting for data, and the training
    speed."""
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
