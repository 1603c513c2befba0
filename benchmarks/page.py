"""The page of results: `docs/benchmarks.md` is written by this, never by hand."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import alone, peers
from benchmarks.alone import Alone
from benchmarks.loggers import LOGGERS
from benchmarks.measure import WARM_UP
from benchmarks.parts import table
from benchmarks.peers import Effort, Measured
from benchmarks.venvs import PINS

US = "runfolio"
_NONE = "-"


@dataclass
class Results:
    """Everything a run of the benchmark found."""

    machine: Mapping[str, str]
    effort: Effort
    measured: Measured
    alone: Alone
    skipped: Mapping[str, str]
    """What could not be installed, and why."""


def render(results: Results) -> str:
    sections = [
        _head(results),
        _targets(results),
        _opening(results),
        _calls(results, "burst-1", "One scalar a call"),
        _calls(results, "burst-10", "Ten scalars a call"),
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

Written by `make bench`; not to be edited. All loggers were measured in this one run, on this machine, with the same
values: falling losses with noise, of float32 precision. Every figure is of fresh processes; in each round every logger
had its turn, so that a machine whose speed drifts treats them alike ({effort.import_rounds} rounds of imports,
{effort.rounds} of first calls and unpaced ones, one of the rest). Figures are medians over the rounds, maxima the
largest of all. "x {US}" is the ratio to {US} in the same round, the median of these ratios.

What a checkpoint costs the training thread, beside a bare copy of the state and torch.save:
`python -m benchmarks.checkpoint_cost`.

{table(["machine", ""], results.machine.items(), left=2)}"""


def _targets(results: Results) -> str:
    rows: list[list[str]] = []

    def add(what: str, target: str, value: float | None, limit: float, text: str, *, least: bool = False) -> None:
        if value is not None:
            met = value >= limit if least else value <= limit
            rows.append([what, target, text.format(value), "yes" if met else "**no**"])

    found = results.measured
    for scalars, each in results.alone.beside_list.items():
        add(
            f"log call beside a bare list.append, mean of {results.alone.size.calls:,} calls, {scalars} scalar(s)",
            "<= 1.5 x",
            each["log"] / each["list"],
            1.5,
            f"{{:.2f}} x ({each['log'] * 1e6:.2f} µs beside {each['list'] * 1e6:.2f} µs)",
        )
    seals = _median(found, "paced", peers.SEALING, "seals")
    pace = f"1,000 calls a second for {results.effort.sealing_s:g} s, {seals or 0:.0f} seals:"
    add(f"{pace} p99.9", "<= 100 µs", _median(found, "paced", peers.SEALING, "p999"), 100, "{:.0f} µs")
    add(f"{pace} max", "<= 10 ms", _median(found, "paced", peers.SEALING, "max"), 10_000, "{:,.0f} µs")
    for kind, least, what in (("burst-1", 300_000, "one scalar a call"), ("burst-10", 1_000_000, "ten scalars a call")):
        value = _median(found, kind, US, "points_per_s")
        add(f"points a second until durable, {what}", f">= {least:,}", value, least, "{:,.0f}", least=True)
    add("import over bare Python", "<= 60 ms", _median(found, "import", US, "seconds"), 0.06, "{:.3f} s")
    add("from before the import until a reader finds the run", "<= 100 ms", results.alone.visible_s, 0.1, "{:.3f} s")
    for kind, name, what in (
        ("disk-1", US, "one scalar a call, at full speed"),
        ("disk-10", US, "ten scalars a call, at full speed"),
        ("paced", peers.SEALING, "1,000 calls a second"),
    ):
        add(f"bytes a point, {what}", "<= 6", _median(found, kind, name, "bytes"), 6, "{:.2f}")
    many, large = results.alone.many_metrics, results.alone.many_steps
    reading = many["open"] + many["names"] + many["read"]
    what = f"open a run of {many['metrics']:,.0f} metrics, list them, read one"
    add(what, "<= 150 ms", reading, 0.15, "{:.3f} s")
    what = f"resident memory above that before, while {large['points']:,.0f} points are logged"
    add(what, "<= 200 MB", large["peak_mb"], 200, "{:.0f} MB")
    old = _median(found, "kill", US, "old")
    if old is not None:
        lost = old - (_median(found, "kill", US, "old_readable") or 0)
        add(f"points older than {peers.OLD_S} s that a kill -9 loses", "0", lost, 0, "{:.0f}")
    return f"## {US} beside its targets\n\n" + table(["what", "target", "measured", "met"], rows, left=1)


def _opening(results: Results) -> str:
    found = results.measured
    rows = []
    for name in _order(found, "import", "first"):
        beside = LOGGERS[name].beside.removeprefix("import ")
        over = _figure(found, "import", name, "over", "{:.3f}") if beside else _NONE
        rows.append(
            [
                _title(found, name),
                _figure(found, "import", name, "seconds", "{:.3f}"),
                _worst(found, "import", name, "seconds", "{:.3f}"),
                f"{over} (over {beside})" if beside else _NONE,
                _ratio(found, "import", name, "seconds"),
                _figure(found, "first", name, "seconds", "{:.3f}"),
                _worst(found, "first", name, "seconds", "{:.3f}"),
                _ratio(found, "first", name, "seconds"),
            ]
        )
    columns = ["", "import, s", "max", "over what is there", f"x {US}", "first log call, s", "max", f"x {US}"]
    return (
        "## Import and first log call\n\n`python -c` with the import, less bare Python's start in the same environment;"
        " seconds from before the import until the first log call of a new run has returned.\n\n"
        + table(columns, rows, left=1)
    )


def _calls(results: Results, kind: str, heading: str) -> str:
    found, effort = results.measured, results.effort
    rows = [
        [
            _title(found, name),
            *(_figure(found, kind, name, key, "{:,.2f}") for key in ("mean", "p50", "p99", "p999")),
            _worst(found, kind, name, "max", "{:,.0f}"),
            _figure(found, kind, name, "calls", "{:,.0f}"),
            _ratio(found, kind, name, "mean"),
            _figure(found, kind, name, "points_per_s", "{:,.0f}") if name != "floor" else _NONE,
        ]
        for name in _order(found, kind)
    ]
    columns = ["", "mean, µs", "median", "p99", "p99.9", "max", "calls", f"mean x {US}", "points/s until durable"]
    return (
        f"## {heading}, unpaced\n\nUp to {effort.calls:,} calls or {effort.limit_s:g} s, whichever comes first, after"
        f" {WARM_UP} calls that are not counted. A call's time is that between two looks at the clock, what the"
        " logger's threads take from the training included; so compare means. Until durable: the calls, and what it"
        " takes until all of it is handed to the operating system.\n\n" + table(columns, rows, left=1)
    )


def _paced(results: Results) -> str:
    found, effort = results.measured, results.effort
    rows = [
        [
            _title(found, name),
            *(_figure(found, "paced", name, key, "{:,.1f}") for key in ("mean", "p50", "p99", "p999")),
            _worst(found, "paced", name, "max", "{:,.0f}"),
            _share(found, "paced", name, "calls", "wanted"),
            _ratio(found, "paced", name, "mean"),
        ]
        for name in _order(found, "paced")
    ]
    columns = ["", "mean, µs", "median", "p99", "p99.9", "max", "calls made", f"mean x {US}"]
    return (
        f"## One scalar a call, 1,000 calls a second\n\n{effort.paced_s:g} s each, sealing {effort.sealing_s:g} s;"
        " each call timed by itself, after a sleep, as a training has something to do in between. Some cannot keep"
        " the pace.\n\n" + table(columns, rows, left=1)
    )


def _disk(results: Results) -> str:
    found = results.measured
    rows = []
    for name in _order(found, "disk-1", "disk-10"):
        row = [_title(found, name)]
        for kind in ("disk-1", "disk-10"):
            row += [
                _figure(found, kind, name, "bytes", "{:,.1f}"),
                _figure(found, kind, name, "points", "{:,.0f}"),
                _ratio(found, kind, name, "bytes"),
            ]
        rows.append(row)
    columns = ["", "one a call: bytes a point", "points", f"x {US}"]
    columns += ["ten a call: bytes a point", "points", f"x {US}"]
    return (
        "## On disk\n\nAll files of the run once it is finished, by the points logged: 100,000, or what fits in"
        f" {results.effort.disk_s:g} s. MLflow stores a batch as it does one value; runfolio + TensorBoard is the"
        " record and its event files.\n\n" + table(columns, rows, left=1)
    )


def _survival(results: Results) -> str:
    found = results.measured
    rows = [
        [
            _title(found, name),
            _share(found, "kill", name, "readable", "logged"),
            _share(found, "kill", name, "old_readable", "old"),
        ]
        for name in _order(found, "kill")
    ]
    old = f"readable of logged {peers.OLD_S} s before"
    return (
        f"## Readable after kill -9\n\nOne scalar a millisecond, or as fast as it goes; SIGKILL after"
        f" {results.effort.kill_s:g} s; then each logger's own reader (for W&B, which has none in Python, a look at its"
        " file). Logged are calls that had returned.\n\n" + table(["", "readable of logged", old], rows, left=1)
    )


def _encodings(found: Alone) -> str:
    names = next(iter(found.encodings.values()))
    rows = [
        [
            name,
            *(f"{found.encodings[n][name][key]:.2f}" for n in found.encodings for key in ("us", "bytes")),
            "yes" if all(each[name]["text"] for each in found.encodings.values()) else "no",
        ]
        for name in names
    ]
    columns = [""]
    for scalars in found.encodings:
        columns += [f"{scalars} scalar(s): µs a call", "bytes a point"]
    return (
        "## Encodings of what is not sealed yet\n\nProcessor time of encoding alone, during which the interpreter lock"
        " is held.\n\n" + table([*columns, "`less` shows it"], rows, left=1)
    )


def _large(found: Alone) -> str:
    long, many = found.many_steps, found.many_metrics
    rows = [
        [f"{found.size.steps:,} steps of {alone.METRICS_A_STEP} metrics: logged", f"{long['logged_s']:.2f} s"],
        ["... durable", f"{long['durable_s']:.2f} s"],
        ["... finish, which makes one segment of it", f"{long['finish_s']:.2f} s"],
        ["... bytes a point, the whole run folder", f"{long['bytes']:.2f}"],
        ["... files", f"{long['files']:.0f}"],
        ["... resident memory above that before, the most while logging", f"{long['peak_mb']:.0f} MB"],
        ["... the same at each tenth of the way", ", ".join(f"{each:.0f}" for each in long["resident_mb"]) + " MB"],
        ["... the most with finish", f"{long['finish_peak_mb']:.0f} MB"],
        ["... largest helper process", f"{long['helper_mb']:.0f} MB"],
        [
            f"{found.size.metrics:,} metrics of {alone.POINTS_A_METRIC} points, a thousand a call: logged",
            f"{many['logged_s']:.2f} s",
        ],
        ["... durable", f"{many['durable_s']:.2f} s"],
        ["... finish", f"{many['finish_s']:.2f} s"],
        ["... open its points", f"{many['open'] * 1e3:.1f} ms"],
        ["... list its metrics", f"{many['names'] * 1e3:.1f} ms"],
        ["... read one metric", f"{many['read'] * 1e3:.1f} ms"],
    ]
    return f"## Large runs, {US} alone\n\n" + table(["", ""], rows, left=1)


def _init(found: Alone) -> str:
    rows = []
    for kind, each in found.init.processes.items():
        kept = [one["kept"] for one in each if one["kept"] is not None]
        rows.append(
            [
                kind,
                *(_milliseconds(one["init"] for one in each), f"{max(one['init'] for one in each) * 1e3:.1f}"),
                *(_milliseconds(one[key] for one in each) for key in ("imports", "pause", "usual")),
                _milliseconds(kept) if kept else _NONE,
            ]
        )
    beside = found.init.beside
    columns = ["what is recorded", "init, ms", "max", "imports", "longest pause after", "before", "code on disk after"]
    return (
        f"## `init` in a git repository of {found.size.modules} modules with a diff, {US} alone\n\n"
        + table(columns, rows, left=1)
        + f"\n\nA sample of the machine's load costs {beside['sample'] * 1e3:.1f} ms of processor time, each 10 s;"
        f" the clock around a batch of a DataLoader {beside['batch'] * 1e6:.2f} µs."
    )


def _use(results: Results) -> str:
    rows = [
        [LOGGERS[name].title, LOGGERS[name].how, " ".join(PINS.get(LOGGERS[name].environment or "", ()))]
        for name in results.measured.versions
    ]
    return (
        "## How each was used\n\nDefaults but for what is said here; what sends usage statistics was told not to.\n\n"
        + table(["", "use", "installed"], rows, left=3)
    )


def _missing(results: Results) -> str:
    gone = {
        **results.skipped,
        **results.measured.missing,
    }
    if not gone:
        return "## Left out\n\nNothing: every logger was installed, and every measurement came to its end."
    return "## Left out\n\n" + table(["what", "why"], [[what, f"`{why}`"] for what, why in gone.items()], left=2)


def _order(found: Measured, *kinds: str) -> list[str]:
    return [name for name in LOGGERS if any(name in found.figures.get(kind, {}) for kind in kinds)]


def _title(found: Measured, name: str) -> str:
    return f"{LOGGERS[name].title} {found.versions[name]}".strip()


def _rounds(found: Measured, kind: str, name: str, key: str) -> list[float]:
    return [figures[key] for figures in found.figures.get(kind, {}).get(name, ())]


def _median(found: Measured, kind: str, name: str, key: str) -> float | None:
    rounds = _rounds(found, kind, name, key)
    return statistics.median(rounds) if rounds else None


def _figure(
    found: Measured,
    kind: str,
    name: str,
    key: str,
    text: str,
    of: Callable[[Sequence[float]], float] = statistics.median,
) -> str:
    rounds = _rounds(found, kind, name, key)
    return text.format(of(rounds)) if rounds else _NONE


def _share(found: Measured, kind: str, name: str, some: str, every: str) -> str:
    return " of ".join(_figure(found, kind, name, key, "{:,.0f}") for key in (some, every))


def _worst(found: Measured, kind: str, name: str, key: str, text: str) -> str:
    return _figure(found, kind, name, key, text, max)


def _ratio(found: Measured, kind: str, name: str, key: str) -> str:
    pairs = zip(_rounds(found, kind, name, key), _rounds(found, kind, US, key), strict=False)
    ratios = [theirs / ours for theirs, ours in pairs if ours > 0]
    if not ratios:
        return _NONE
    ratio = statistics.median(ratios)
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _milliseconds(seconds: Iterable[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:.1f}"
