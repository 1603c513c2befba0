"""Event files for tests, and access to imported runs."""

from __future__ import annotations

import math
from pathlib import Path

from runfolio.events import messages as m
from runfolio.events.framing import frame
from runfolio.query.run import RecordedRun
from runfolio.query.store import Folio

BEGIN = 1_700_000_000.0
Point = tuple[int, float]


def write_events(path: Path, *events: m.Event, header: bool = True) -> Path:
    """Append events to a file, which begins with a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b"".join(frame(event.encode()) for event in events)
    if header and not path.exists():
        content = frame(m.Event(BEGIN, file_version=m.FILE_VERSION).encode()) + content
    with path.open("ab") as file:
        file.write(content)
    return path


def event_file(folder: Path, number: int = 0) -> Path:
    return folder / f"events.out.tfevents.{int(BEGIN) + number}.host.7.{number}"


def scalar(tag: str, value: float, step: int) -> m.Event:
    return m.Event(BEGIN + step, step, summary=m.Summary([m.Value(tag, simple_value=value)]))


def scalars(tag: str, *steps: int, add: float = 0.0) -> list[m.Event]:
    """Return an event for each step. The value is the step plus `add`."""
    return [scalar(tag, step + add, step) for step in steps]


def start(step: int) -> m.Event:
    return m.Event(BEGIN, step, session_log=m.SessionLog(m.SESSION_START))


def value(tag: str, plugin: str, tensor: m.Tensor, content: bytes = b"", step: int = 0) -> m.Event:
    metadata = m.Metadata(m.PluginData(plugin, content))
    return m.Event(BEGIN + step, step, summary=m.Summary([m.Value(tag, metadata, tensor=tensor)]))


def text(tag: str, *strings: str, step: int = 0) -> m.Event:
    shape = m.TensorShape.of(len(strings)) if len(strings) > 1 else m.TensorShape()
    return value(tag, "text", m.Tensor(m.DT_STRING, shape, string_val=[each.encode() for each in strings]), step=step)


def hparams(tag: str, data: m.HparamsData) -> m.Event:
    return value(tag, "hparams", m.Tensor(m.DT_FLOAT, m.TensorShape.of(0)), data.encode())


def session(**settings: float | str | bool) -> m.Event:
    """Return the start of a session with hyperparameters."""
    entries = []
    for key, setting in settings.items():
        if isinstance(setting, bool):
            entries.append(m.HparamEntry(key, m.Hparam(bool_value=setting)))
        elif isinstance(setting, str):
            entries.append(m.HparamEntry(key, m.Hparam(string_value=setting)))
        else:
            entries.append(m.HparamEntry(key, m.Hparam(number_value=float(setting))))
    return hparams("_hparams_/session_start_info", m.HparamsData(session_start_info=m.SessionStart(entries)))


def experiment(*metrics: str) -> m.Event:
    """Return the experiment that torch's `add_hparams` writes."""
    infos = [m.MetricInfo(m.MetricName(tag=metric)) for metric in metrics]
    return hparams("_hparams_/experiment", m.HparamsData(experiment=m.Experiment(metric_infos=infos)))


def runs_of(store: Path) -> dict[str, RecordedRun]:
    """Return the runs of a store by `EXPERIMENT/NAME`."""
    return {f"{run.experiment}/{run.name}": run for run in Folio(store).runs(archived=True)}


def only_run(store: Path) -> RecordedRun:
    (run,) = Folio(store).runs(archived=True)
    return run


def points(run: RecordedRun, metric: str) -> list[Point]:
    """Return the current steps and values of a metric, in the order of arrival."""
    read = run.metric(metric)
    return list(zip(read.steps.tolist(), read.values.tolist(), strict=True))


def same(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second))
