"""Possible causes of a different result: differences between two runs, differences from today's state, and
randomness."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from runfolio.errors import RunfolioError
from runfolio.query.explain.run_diff import UNCOMMITTED, Change, changes
from runfolio.query.explain.run_diff import diff as diff_of_runs
from runfolio.query.recorded_writers import read_writers
from runfolio.query.run import RecordedRun
from runfolio.record.base.run_parts import Environment
from runfolio.record.content.data_listings import compare_listings
from runfolio.reproduce.deviation import Deviation, sort_deviations
from runfolio.reproduce.plan import Plan
from runfolio.reproduce.recorded_start import RecordedStart
from runfolio.reproduce.recorded_variables import program_variables, without_own_threads

_DETERMINISM_SWITCHES = (
    "deterministic_algorithms",
    "deterministic_warn_only",
    "cudnn_deterministic",
    "cudnn_benchmark",
)
_GENERATORS = ("torch", "numpy", "random")
"""Random number generators whose seed or state a run records."""
_IMPORT = re.compile(r"^[ \t]*(?:import|from)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_NUMERIC_PACKAGES = ("torch", "numpy", "torchvision", "scipy", "triton", "safetensors")
"""Packages whose versions affect numerical results even if the script does not import them itself."""


def find_causes(plan: Plan, original: RecordedRun, repeated: RecordedRun) -> list[Deviation]:
    """Return the differences between the records of two runs.

    Raises:
        DamagedFile, NotFound: A record of captured code cannot be read.
    """
    run_diff = diff_of_runs(original, repeated)
    deviations = [
        *plan.flags,
        *_file_deviations(plan, original, repeated),
        *_change_deviations(plan, "setting", run_diff.config),
        *_data_deviations(original, repeated),
        *environment_deviations(original.document.environment, repeated.document.environment, plan.start, plan),
        *(_seed_deviation(change) for change in run_diff.seeds),
    ]
    return sort_deviations(deviations)


def _seed_deviation(change: Change) -> Deviation:
    """Describe random number generators that had different seeds or started in different states."""
    if str(change.before).startswith("state ") and str(change.after).startswith("state "):
        return Deviation("seeds", change.name, "one state", "a different state", "the generator was not seeded before")
    return Deviation("seeds", change.name, change.before, change.after, rank=0)


def missing_seed_first(
    deviations: Sequence[Deviation], original: RecordedRun, repeated: RecordedRun
) -> list[Deviation]:
    """Return the deviations sorted by likelihood. Unseeded generators come first unless there is a likelier cause."""
    if _was_seeded(original, repeated) or any(map(_is_likelier_than_chance, deviations)):
        return list(deviations)
    unseeded = [deviation for deviation in deviations if deviation.kind == "seeds" and deviation.name in _GENERATORS]
    remark = "the generator was not seeded"
    return [
        *(replace(deviation, remark=remark) for deviation in unseeded),
        *(deviation for deviation in deviations if deviation not in unseeded),
    ]


def _was_seeded(original: RecordedRun, repeated: RecordedRun) -> bool:
    """Return whether one of the runs called `seed_everything`, or both seeded torch with the same number."""
    before, after = original.document.seeds, repeated.document.seeds
    has_torch_seed = before.get("torch") is not None and before.get("torch") == after.get("torch")
    return before.get("seed") is not None or after.get("seed") is not None or has_torch_seed


def _is_likelier_than_chance(deviation: Deviation) -> bool:
    """Return whether a deviation explains a different result because it changes what the program does or reads."""
    return (
        deviation.kind in ("flag", "setting", "data")
        or (deviation.kind == "code" and deviation.rank < 2)
        or (deviation.kind == "package" and deviation.rank == 0)
    )


def uncontrolled_randomness(run: RecordedRun) -> list[str]:
    """Describe the sources of randomness that a run did not control."""
    torch = run.document.environment.get("torch") or {}
    workers = sum(writer.role == "worker" for writer in read_writers(run.folder))
    threads = torch.get("threads") or 1
    conditions = {
        "no seed was set by runfolio.seed_everything": run.document.seeds.get("seed") is None,
        "PYTHONHASHSEED was not set, so the order of sets differs between processes": run.document.seeds.get(
            "PYTHONHASHSEED"
        )
        is None,
        "torch.use_deterministic_algorithms was off": torch and not torch.get("deterministic_algorithms"),
        "cudnn.benchmark was on": torch.get("cudnn_benchmark"),
        f"torch used {threads} threads": threads > 1,
        f"{workers} DataLoader workers were used": workers,
    }
    return [text for text, holds in conditions.items() if holds]


def code_deviation(path: str, before: str, after: str) -> Deviation:
    """Describe the first difference between two versions of a file, and count the other differences."""
    old, new = before.splitlines(), after.splitlines()
    edits = [
        edit for edit in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if edit[0] != "equal"
    ]
    if not edits:
        return Deviation("code", path, None, None, "only line endings differ")
    _, start, end, new_start, new_end = edits[0]
    before_line, after_line = _first_line(old[start:end]), _first_line(new[new_start:new_end])
    more = f" (and {len(edits) - 1} more changes)" if len(edits) > 1 else ""
    return Deviation(
        "code",
        path,
        before_line,
        after_line,
        f"line {new_start + 1}: {before_line or '(none)'} -> {after_line or '(none)'}{more}",
    )


def _first_line(lines: list[str]) -> str:
    return lines[0].strip()[:200] if lines else ""


def _file_deviations(plan: Plan, original: RecordedRun, repeated: RecordedRun) -> Iterator[Deviation]:
    unknown = {file.path for run in (original, repeated) for file in run.code.files if file.why == "untracked"}
    for file in diff_of_runs(original, repeated).files:
        if file.path == UNCOMMITTED:
            continue  # if the commits differ, the diffs differ even if the files are equal
        if plan.source.kind != "here" and file.kind != "changed" and file.path in unknown:
            continue  # a fresh checkout has different untracked files
        if file.kind == "added":
            yield Deviation("code", file.path, None, "present", "was missing", rank=2)
        elif file.kind == "removed":
            yield Deviation("code", file.path, "present", None, "is missing, or was not imported", rank=2)
        else:
            yield code_deviation(file.path, original.code.read(file.path), repeated.code.read(file.path))


def _change_deviations(plan: Plan, kind: Any, changes: list[Change]) -> Iterator[Deviation]:
    for change in changes:
        after = plan.as_recorded(change.after) if isinstance(change.after, str) else change.after
        if after != change.before:
            yield Deviation(kind, change.name, change.before, after)


def _data_deviations(original: RecordedRun, repeated: RecordedRun) -> Iterator[Deviation]:
    """Yield the differences between the data listings of two runs."""
    for name in sorted(original.data.keys() | repeated.data.keys()):
        before, after = (run.data.get(name) for run in (original, repeated))
        fingerprints = before and before.fingerprint, after and after.fingerprint
        if fingerprints[0] == fingerprints[1] or (
            fingerprints[1] is None and repeated.state != "finished"
        ):  # the repeated run ended before the fingerprint was computed
            continue
        if before is None or after is None:
            yield Deviation("data", name, *fingerprints)
            continue
        try:
            changes = compare_listings(before.listing(), after.listing())
        except RunfolioError:  # a listing was too long to be stored
            yield Deviation("data", name, *fingerprints)
            continue
        for kind, items in vars(changes).items():
            for item in items[:20]:
                yield Deviation("data", f"{name}/{item}", "", kind, rank=2)


def environment_deviations(
    before: Environment, after: Environment, start: RecordedStart, plan: Plan | None = None
) -> Iterator[Deviation]:
    """Yield differences in packages, machine, torch settings and variables. Parts that one environment lacks are
    skipped."""
    imported = _imported_packages(start)
    origins = [(environment.get("installed_from") or {}) for environment in (before, after)]
    for change in changes(before.get("packages") or {}, after.get("packages") or {}):
        rank = 0 if change.name in imported else 1 if change.name in _NUMERIC_PACKAGES else 2
        yield Deviation("package", change.name, change.before, change.after, rank=rank)
    for change in changes(*origins):
        if change.before is not None and change.after is not None:
            yield Deviation("package", f"{change.name} from", change.before, change.after, rank=2)
    if before.get("python") != after.get("python"):
        yield Deviation("package", "python", before.get("python"), after.get("python"))
    for change in changes(_hardware(before), _hardware(after)):
        yield Deviation("hardware", change.name, change.before, change.after)
    torch = [environment.get("torch") or {} for environment in (before, after)]
    for change in changes(*torch) if all(torch) else ():
        kind = "seeds" if change.name in _DETERMINISM_SWITCHES else "environment"
        yield Deviation(kind, f"torch.{change.name}", change.before, change.after, rank=0)
    if plan is not None:
        variables = [program_variables(environment.get("variables") or {}) for environment in (before, after)]
        yield from _change_deviations(plan, "environment", changes(*without_own_threads(before, *variables)))


def _hardware(environment: Environment) -> dict[str, Any]:
    cpu = environment.get("cpu") or {}
    return {
        "processor": cpu.get("model"),
        "processors": cpu.get("threads"),
        "GPUs": ", ".join(str(gpu.get("name")) for gpu in environment.get("gpus") or ()) or None,
        "driver": environment.get("driver"),
        "system": environment.get("system"),
    }


def _imported_packages(start: RecordedStart) -> set[str]:
    """Return the canonical names of the packages that the captured code imports."""
    texts = [start.run.code.read(file.path) for file in start.run.code.files if file.path.endswith(".py")]
    return {name.lower().replace("_", "-") for text in texts for name in _IMPORT.findall(text)}
