"""The page of results: `docs/benchmarks.md` is written by this, never by hand."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import alone, peers
from benchmarks.alone import OwnFigures
from benchmarks.loggers import LOGGERS
from benchmarks.measure import WARM_UP
from benchmarks.parts import table
from benchmarks.peers import Effort, PeerFigures
from benchmarks.venvs import PINS

US = "runfolio"
_NONE = "-"


@dataclass
class Results:
    """Everything a run of the benchmark found."""

    machine: Mapping[str, str]
    effort: Effort
    measured: PeerFigures
    alone: OwnFigures
    skipped: Mapping[str, str]
    """What could not be installed, and why."""


def render(results: Results) -> str:
    sections = [
        _head(results),
        _targets(results),
        _opening(results),
        _calls(results, "burst-1", "One scalar per call"),
        _calls(results, "burst-10", "Ten scalars per call"),
        _paced(results),
        _disk(results),
        _survival(results),
        _encodings(results.alone),
        _large(results.alone),
        _init(results.alone),
        _use(results),
        _missing(results),
    ]
    return "\n\n".join(sections) + "\n"


def _head(results: Results) -> str:
    effort = results.effort
    return f"""# Benchmarks

This page is written by `make bench`; do not edit it. All loggers were measured in one session, on the machine below,
with the same values: decreasing losses with noise, in float32 precision. Every measurement used fresh processes.

Every round measured each logger once, so a drift in the speed of the machine affects all loggers equally. There were
{effort.import_rounds} rounds for imports, {effort.rounds} for first calls and unpaced calls, and one for everything
else. The figures are medians over the rounds; maxima are over all rounds. "x {US}" is the median of the ratios to {US}
in the same round.

`python -m benchmarks.checkpoint_cost` measures how much time a checkpoint takes from the training thread, compared
with a bare copy of the state and with torch.save.

{table(["machine", ""], results.machine.items(), left=2)}"""


def _targets(results: Results) -> str:
    rows: list[list[str]] = []

    def add(label: str, target: str, value: float | None, limit: float, text: str, *, least: bool = False) -> None:
        if value is not None:
            met = value >= limit if least else value <= limit
            rows.append([label, target, text.format(value), "yes" if met else "**no**"])

    measured = results.measured
    for scalars, cost in results.alone.beside_list.items():
        add(
            f"log call compared with a bare list.append, mean of {results.alone.size.calls:,} calls,"
            f" {scalars} scalar(s)",
            "<= 1.5 x",
            cost["log"] / cost["list"],
            1.5,
            f"{{:.2f}} x ({cost['log'] * 1e6:.2f} µs compared with {cost['list'] * 1e6:.2f} µs)",
        )
    seals = _median(measured, "paced", peers.SEALING, "seals")
    pace = f"log calls at 1,000 per second for {results.effort.sealing_s:g} s, with {seals or 0:.0f} seals:"
    add(f"{pace} p99.9", "<= 100 µs", _median(measured, "paced", peers.SEALING, "p999"), 100, "{:.0f} µs")
    add(f"{pace} max", "<= 10 ms", _median(measured, "paced", peers.SEALING, "max"), 10_000, "{:,.0f} µs")
    for kind, least, label in (
        ("burst-1", 300_000, "one scalar per call"),
        ("burst-10", 1_000_000, "ten scalars per call"),
    ):
        value = _median(measured, kind, US, "points_per_s")
        add(f"points per second until durable, {label}", f">= {least:,}", value, least, "{:,.0f}", least=True)
    add(
        "import time in addition to bare Python",
        "<= 60 ms",
        _median(measured, "import", US, "seconds"),
        0.06,
        "{:.3f} s",
    )
    add(
        "time from before the import until a reader finds the run",
        "<= 100 ms",
        results.alone.visible_s,
        0.1,
        "{:.3f} s",
    )
    for kind, name, label in (
        ("disk-1", US, "one scalar per call, at full speed"),
        ("disk-10", US, "ten scalars per call, at full speed"),
        ("paced", peers.SEALING, "1,000 calls per second"),
    ):
        add(f"bytes per point, {label}", "<= 6", _median(measured, kind, name, "bytes"), 6, "{:.2f}")
    many, large = results.alone.many_metrics, results.alone.many_steps
    reading = many["open"] + many["names"] + many["read"]
    label = f"open a run of {many['metrics']:,.0f} metrics, list them, read one"
    add(label, "<= 150 ms", reading, 0.15, "{:.3f} s")
    label = f"increase in resident memory while {large['points']:,.0f} points are logged"
    add(label, "<= 200 MB", large["peak_mb"], 200, "{:.0f} MB")
    old = _median(measured, "kill", US, "old")
    if old is not None:
        lost = old - (_median(measured, "kill", US, "old_readable") or 0)
        add(f"points older than {peers.OLD_S} s that are lost after kill -9", "0", lost, 0, "{:.0f}")
    return f"## {US} compared with its targets\n\n" + table(["what", "target", "measured", "met"], rows, left=1)


def _opening(results: Results) -> str:
    measured = results.measured
    rows = []
    for name in _order(measured, "import", "first"):
        usual_imports = LOGGERS[name].usual_imports.removeprefix("import ")
        over = _figure(measured, "import", name, "over", "{:.3f}") if usual_imports else _NONE
        rows.append(
            [
                _title(measured, name),
                _figure(measured, "import", name, "seconds", "{:.3f}"),
                _worst(measured, "import", name, "seconds", "{:.3f}"),
                f"{over} (after {usual_imports})" if usual_imports else _NONE,
                _ratio(measured, "import", name, "seconds"),
                _figure(measured, "first", name, "seconds", "{:.3f}"),
                _worst(measured, "first", name, "seconds", "{:.3f}"),
                _ratio(measured, "first", name, "seconds"),
            ]
        )
    columns = ["", "import, s", "max", "after the usual import", f"x {US}", "first log call, s", "max", f"x {US}"]
    return (
        "## Import and first log call\n\nImport: the time of `python -c` with the import, minus the start-up time of"
        " bare Python in the same environment. First log call: the time from before the import until the first log"
        " call of a new run has returned.\n\n" + table(columns, rows, left=1)
    )


def _calls(results: Results, kind: str, heading: str) -> str:
    measured, effort = results.measured, results.effort
    rows = [
        [
            _title(measured, name),
            *(_figure(measured, kind, name, key, "{:,.2f}") for key in ("mean", "p50", "p99", "p999")),
            _worst(measured, kind, name, "max", "{:,.0f}"),
            _figure(measured, kind, name, "calls", "{:,.0f}"),
            _ratio(measured, kind, name, "mean"),
            _figure(measured, kind, name, "points_per_s", "{:,.0f}") if name != "floor" else _NONE,
        ]
        for name in _order(measured, kind)
    ]
    columns = ["", "mean, µs", "median", "p99", "p99.9", "max", "calls", f"mean x {US}", "points/s until durable"]
    return (
        f"## {heading}, unpaced\n\nEach logger made up to {effort.calls:,} calls for at most {effort.limit_s:g} s,"
        f" after {WARM_UP} calls that are not counted. The time of a call is the time between two clock readings, so it"
        " includes time that the logger's threads take from the training thread; therefore compare the means."
        ' "Until durable" covers the calls and the time until all points have been handed to the operating system.\n\n'
        + table(columns, rows, left=1)
    )


def _paced(results: Results) -> str:
    measured, effort = results.measured, results.effort
    rows = [
        [
            _title(measured, name),
            *(_figure(measured, "paced", name, key, "{:,.1f}") for key in ("mean", "p50", "p99", "p999")),
            _worst(measured, "paced", name, "max", "{:,.0f}"),
            _share(measured, "paced", name, "calls", "wanted"),
            _ratio(measured, "paced", name, "mean"),
        ]
        for name in _order(measured, "paced")
    ]
    columns = ["", "mean, µs", "median", "p99", "p99.9", "max", "calls made", f"mean x {US}"]
    return (
        f"## One scalar per call, 1,000 calls per second\n\nEach logger was measured for {effort.paced_s:g} s, and"
        f" sealing for {effort.sealing_s:g} s. Each call was timed separately, after a sleep that stands for the work"
        " of a training step. Some loggers cannot keep this pace.\n\n" + table(columns, rows, left=1)
    )


def _disk(results: Results) -> str:
    measured = results.measured
    rows = []
    for name in _order(measured, "disk-1", "disk-10"):
        row = [_title(measured, name)]
        for kind in ("disk-1", "disk-10"):
            row += [
                _figure(measured, kind, name, "bytes", "{:,.1f}"),
                _figure(measured, kind, name, "points", "{:,.0f}"),
                _ratio(measured, kind, name, "bytes"),
            ]
        rows.append(row)
    columns = ["", "one per call: bytes per point", "points", f"x {US}"]
    columns += ["ten per call: bytes per point", "points", f"x {US}"]
    return (
        "## On disk\n\nThe size of all files of the finished run, divided by the number of points: 100,000, or as many"
        f" as were logged in {results.effort.disk_s:g} s. MLflow stores the values of a batch in the same way as single"
        ' values. The row "runfolio + TensorBoard" includes the record and the event files.\n\n'
        + table(columns, rows, left=1)
    )


def _survival(results: Results) -> str:
    measured = results.measured
    rows = [
        [
            _title(measured, name),
            _share(measured, "kill", name, "readable", "logged"),
            _share(measured, "kill", name, "old_readable", "old"),
        ]
        for name in _order(measured, "kill")
    ]
    old = f"readable of the points logged {peers.OLD_S} s or more before the kill"
    return (
        f"## Readable after kill -9\n\nEach process logged one scalar per millisecond, or as fast as its logger"
        f" allowed, and was killed by SIGKILL after {results.effort.kill_s:g} s. Then the logger's own reader counted"
        " the readable points. W&B has no reader in Python, so its file was inspected directly. A point counts as"
        " logged if its log call had returned.\n\n" + table(["", "readable of all logged points", old], rows, left=1)
    )


def _encodings(figures: OwnFigures) -> str:
    names = next(iter(figures.encodings.values()))
    rows = [
        [
            name,
            *(f"{figures.encodings[n][name][key]:.2f}" for n in figures.encodings for key in ("us", "bytes")),
            "yes" if all(encodings[name]["text"] for encodings in figures.encodings.values()) else "no",
        ]
        for name in names
    ]
    columns = [""]
    for scalars in figures.encodings:
        columns += [f"{scalars} scalar(s): µs per call", "bytes per point"]
    return (
        "## Encodings of points that are not sealed yet\n\nCPU time of encoding alone. The interpreter lock is held"
        " during this time.\n\n" + table([*columns, "readable with `less`"], rows, left=1)
    )


def _large(figures: OwnFigures) -> str:
    long, many = figures.many_steps, figures.many_metrics
    rows = [
        [f"{figures.size.steps:,} steps of {alone.METRICS_A_STEP} metrics: logged", f"{long['logged_s']:.2f} s"],
        ["... durable", f"{long['durable_s']:.2f} s"],
        ["... finish, which merges the points into one segment", f"{long['finish_s']:.2f} s"],
        ["... bytes per point, the whole run folder", f"{long['bytes']:.2f}"],
        ["... files", f"{long['files']:.0f}"],
        ["... largest increase in resident memory while logging", f"{long['peak_mb']:.0f} MB"],
        [
            "... the increase after each tenth of the steps",
            ", ".join(f"{megabytes:.0f}" for megabytes in long["resident_mb"]) + " MB",
        ],
        ["... the largest increase, including finish", f"{long['finish_peak_mb']:.0f} MB"],
        ["... largest helper process", f"{long['helper_mb']:.0f} MB"],
        [
            f"{figures.size.metrics:,} metrics with {alone.POINTS_A_METRIC} points each, 1,000 points per call: logged",
            f"{many['logged_s']:.2f} s",
        ],
        ["... durable", f"{many['durable_s']:.2f} s"],
        ["... finish", f"{many['finish_s']:.2f} s"],
        ["... open its points", f"{many['open'] * 1e3:.1f} ms"],
        ["... list its metrics", f"{many['names'] * 1e3:.1f} ms"],
        ["... read one metric", f"{many['read'] * 1e3:.1f} ms"],
    ]
    return f"## Large runs, {US} alone\n\n" + table(["", ""], rows, left=1)


def _init(figures: OwnFigures) -> str:
    rows = []
    for kind, processes in figures.init.processes.items():
        captured = [process["kept"] for process in processes if process["kept"] is not None]
        rows.append(
            [
                kind,
                *(
                    _milliseconds(process["init"] for process in processes),
                    f"{max(process['init'] for process in processes) * 1e3:.1f}",
                ),
                *(_milliseconds(process[key] for process in processes) for key in ("imports", "pause", "usual")),
                _milliseconds(captured) if captured else _NONE,
            ]
        )
    background = figures.init.background_s
    columns = ["what is recorded", "init, ms", "max", "imports", "longest pause after init"]
    columns += ["longest pause before", "code on disk after"]
    return (
        f"## `init` in a git repository of {figures.size.modules} modules with a diff, {US} alone\n\n"
        + table(columns, rows, left=1)
        + f"\n\nA sample of the machine's load costs {background['sample'] * 1e3:.1f} ms of CPU time and"
        f" is taken every 10 s. Timing one batch of a DataLoader costs {background['batch'] * 1e6:.2f} µs."
    )


def _use(results: Results) -> str:
    rows = [
        [LOGGERS[name].title, LOGGERS[name].how, " ".join(PINS.get(LOGGERS[name].environment or "", ()))]
        for name in results.measured.versions
    ]
    return (
        "## How each was used\n\nAll loggers used their defaults, except for the settings listed here. Usage"
        " statistics were turned off.\n\n" + table(["", "use", "installed"], rows, left=3)
    )


def _missing(results: Results) -> str:
    missing = {
        **results.skipped,
        **results.measured.missing,
    }
    if not missing:
        return "## Left out\n\nNothing was left out: every logger was installed, and every measurement completed."
    return "## Left out\n\n" + table(
        ["what", "why"], [[name, f"`{reason}`"] for name, reason in missing.items()], left=2
    )


def _order(measured: PeerFigures, *kinds: str) -> list[str]:
    return [name for name in LOGGERS if any(name in measured.figures.get(kind, {}) for kind in kinds)]


def _title(measured: PeerFigures, name: str) -> str:
    return f"{LOGGERS[name].title} {measured.versions[name]}".strip()


def _rounds(measured: PeerFigures, kind: str, name: str, key: str) -> list[float]:
    return [figures[key] for figures in measured.figures.get(kind, {}).get(name, ())]


def _median(measured: PeerFigures, kind: str, name: str, key: str) -> float | None:
    rounds = _rounds(measured, kind, name, key)
    return statistics.median(rounds) if rounds else None


def _figure(
    measured: PeerFigures,
    kind: str,
    name: str,
    key: str,
    text: str,
    statistic: Callable[[Sequence[float]], float] = statistics.median,
) -> str:
    rounds = _rounds(measured, kind, name, key)
    return text.format(statistic(rounds)) if rounds else _NONE


def _share(measured: PeerFigures, kind: str, name: str, some: str, every: str) -> str:
    return " of ".join(_figure(measured, kind, name, key, "{:,.0f}") for key in (some, every))


def _worst(measured: PeerFigures, kind: str, name: str, key: str, text: str) -> str:
    return _figure(measured, kind, name, key, text, max)


def _ratio(measured: PeerFigures, kind: str, name: str, key: str) -> str:
    pairs = zip(_rounds(measured, kind, name, key), _rounds(measured, kind, US, key), strict=False)
    ratios = [theirs / ours for theirs, ours in pairs if ours > 0]
    if not ratios:
        return _NONE
    ratio = statistics.median(ratios)
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _milliseconds(seconds: Iterable[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:.1f}"
