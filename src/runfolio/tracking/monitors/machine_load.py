"""Measurement of the load of processor, memory, disk, network and GPUs (`docs/format.md`, Metrics under `system/`)."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil

from runfolio.tracking.environment.machine import MB, disk_free_mb, memory_used, nvml, visible_gpus

_GB = 1000  # in MB


class MachineGauge:
    """Gauge (source of metrics) for the load of processor, memory, disk and network. CPU and memory are also measured
    for the process and its children."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._processes: dict[int, psutil.Process] = {}
        self._byte_counts = self._bytes_moved()
        psutil.cpu_percent()  # the next call returns the CPU use since this call
        self._tree()

    def read(self, elapsed_s: float) -> dict[str, float]:
        """Return the current metrics. Rates and percentages of CPU time cover the `elapsed_s` seconds since the last
        call."""
        process_cpu, memory = self._tree()
        metrics = {
            "cpu": psutil.cpu_percent(),
            "process_cpu": process_cpu,
            "memory": psutil.virtual_memory().percent,
            "memory_mb": memory / MB,
        }
        if (used := memory_used()) is not None:
            metrics["cgroup_memory_mb"] = used / MB
        if (free := disk_free_mb(self._store)) is not None:
            metrics["disk_free_gb"] = free / _GB
        before, self._byte_counts = self._byte_counts, self._bytes_moved()
        rates = {
            name: (self._byte_counts[name] - before[name]) / MB / elapsed_s
            for name in self._byte_counts
            if name in before
        }
        return {f"system/{name}": value for name, value in (metrics | rates).items()}

    def close(self) -> None:
        """Do nothing, because this gauge holds no resources."""

    def _tree(self) -> tuple[float, int]:
        """Return CPU use and resident memory of the process and its children. CPU use is the percentage of one
        processor since the last call. Memory is in bytes."""
        process = psutil.Process()
        processes = {child.pid: child for child in (process, *process.children(recursive=True))}
        # psutil computes the CPU use between two calls of the same object.
        self._processes = {pid: self._processes.get(pid, child) for pid, child in processes.items()}
        cpu, memory = 0.0, 0
        for child in self._processes.values():
            with suppress(psutil.Error), child.oneshot():
                cpu += child.cpu_percent()
                memory += child.memory_info().rss
        return cpu, memory

    def _bytes_moved(self) -> dict[str, int]:
        """Return the numbers of bytes that were read, written, received and sent since the machine started. The
        loopback interface does not count."""
        moved = {}
        if (disk := psutil.disk_io_counters()) is not None:
            moved |= {"disk_read_mb_per_s": disk.read_bytes, "disk_write_mb_per_s": disk.write_bytes}
        cards = [card for name, card in psutil.net_io_counters(pernic=True).items() if name != "lo"]
        moved["network_in_mb_per_s"] = sum(card.bytes_recv for card in cards)
        moved["network_out_mb_per_s"] = sum(card.bytes_sent for card in cards)
        return moved


class GpuGauge:
    """Gauge (source of metrics) that reads the utilisation, memory, power and temperature of each visible NVIDIA
    GPU."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._library: Any = self._opened.enter_context(nvml())

    def read(self, elapsed_s: float) -> dict[str, float]:
        """Return the current metrics of each GPU. Metrics that a GPU does not report are missing."""
        if self._library is None:
            return {}
        metrics: dict[str, float] = {}
        with suppress(self._library.NVMLError):
            for index, gpu in visible_gpus(self._library):
                metrics |= {f"system/gpu{index}/{name}": value for name, value in self._metrics(gpu).items()}
        return metrics

    def close(self) -> None:
        self._opened.close()

    def _metrics(self, gpu: Any) -> dict[str, float]:
        library = self._library
        readers = {
            "use": lambda: library.nvmlDeviceGetUtilizationRates(gpu).gpu,
            "memory_mb": lambda: library.nvmlDeviceGetMemoryInfo(gpu).used / MB,
            "power_w": lambda: library.nvmlDeviceGetPowerUsage(gpu) / 1000,
            "temperature_c": lambda: library.nvmlDeviceGetTemperature(gpu, library.NVML_TEMPERATURE_GPU),
        }
        metrics = {}
        for name, ask in readers.items():
            with suppress(library.NVMLError):
                metrics[name] = float(ask())
        return metrics
