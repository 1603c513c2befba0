"""What another result may be due to: where two runs, or a run and today, differ; and what was left to chance."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from runfolio.errors import RunfolioError
from runfolio.query.explain.run_diff import UNCOMMITTED, Change, changes
from runfolio.query.explain.run_diff import diff as diff_of_runs
from runfolio.query.recorded_writers import read_writers
from runfolio.query.run import RecordedRun
from runfolio.record.content.datasets import compare_listings
from runfolio.reproduce.difference import Difference, sort
from runfolio.reproduce.plan import Plan, of_the_program
from runfolio.reproduce.recorded_start import Start

_SWITCHES = ("deterministic_algorithms", "deterministic_warn_only", "cudnn_deterministic", "cudnn_benchmark")
_IMPORT = re.compile(r"^\s*(?:import|from)\s+([A-Za-z_]\w*)", re.MULTILINE)
_NUMERIC = ("torch", "numpy", "torchvision", "scipy", "triton", "safetensors")
"""Packages whose versions decide about numbers even where the script does not import them itself."""


def found(plan: Plan, original: RecordedRun, repeated: RecordedRun) -> list[Difference]:
    """In what two runs differ by their own records: what only the run itself could know is there as well.

    Raises:
        DamagedFile, NotFound: A record of captured code cannot be read.
    """
    told = diff_of_runs(original, repeated)
    differing = [
        *plan.flags,
        *_files(plan, original, repeated),
        *_changes(plan, "setting", told.config),
        *_listings(original, repeated),
        *environments(original.document.environment, repeated.document.environment, plan.start, plan),
        *(_seed(change) for change in told.seeds),
    ]
    return sort(differing)


def _seed(change: Change) -> Difference:
    """A seed that is another, or a generator that began in another state."""
    if str(change.before).startswith("state ") and str(change.after).startswith("state "):
        return Difference(
            "seeds", change.name, "one state", "another", "as of any generator that was not seeded before"
        )
    return Difference("seeds", change.name, change.before, change.after, rank=0)


def left_to_chance(run: RecordedRun) -> list[str]:
    """What a run did not fix, where nothing else explains that it came out otherwise."""
    torch = run.document.environment.get("torch") or {}
    workers = sum(writer.role == "worker" for writer in read_writers(run.folder))
    threads = torch.get("threads") or 1
    said = {
        "no seed was set by runfolio.seed_everything": run.document.seeds.get("seed") is None,
        "PYTHONHASHSEED was not set, so sets are in another order in each process": run.document.seeds.get(
            "PYTHONHASHSEED"
        )
        is None,
        "torch.use_deterministic_algorithms was off": torch and not torch.get("deterministic_algorithms"),
        "cudnn.benchmark was on": torch.get("cudnn_benchmark"),
        f"torch used {threads} threads": threads > 1,
        f"{workers} DataLoader workers took part": workers,
    }
    return [text for text, holds in said.items() if holds]


def code_difference(path: str, before: str, after: str) -> Difference:
    """Where two states of a file differ: the first line in words, of further places the number."""
    old, new = before.splitlines(), after.splitlines()
    places = [
        place for place in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if place[0] != "equal"
    ]
    if not places:
        return Difference("code", path, None, None, "differs in its last line's end")
    _, start, end, new_start, new_end = places[0]
    was, now = _first_line(old[start:end]), _first_line(new[new_start:new_end])
    more = f" (and {len(places) - 1} more places)" if len(places) > 1 else ""
    return Difference("code", path, was, now, f"line {new_start + 1}: {was or '(none)'} -> {now or '(none)'}{more}")


def _first_line(lines: list[str]) -> str:
    return lines[0].strip()[:200] if lines else ""


def _files(plan: Plan, original: RecordedRun, repeated: RecordedRun) -> Iterator[Difference]:
    unknown = {file.path for run in (original, repeated) for file in run.code.files if file.why == "untracked"}
    for file in diff_of_runs(original, repeated).files:
        if file.path == UNCOMMITTED:
            continue  # of another commit they are others, though the files be the same
        if plan.origin.kind != "here" and file.kind != "changed" and file.path in unknown:
            continue  # which files git does not know is another matter where they are laid anew
        if file.kind == "added":
            yield Difference("code", file.path, None, "there", "was not there", rank=2)
        elif file.kind == "removed":
            yield Difference("code", file.path, "there", None, "is not there, or was not imported", rank=2)
        else:
            yield code_difference(file.path, original.code.read(file.path), repeated.code.read(file.path))


def _changes(plan: Plan, kind: Any, found: list[Change]) -> Iterator[Difference]:
    for change in found:
        after = plan.as_recorded(change.after) if isinstance(change.after, str) else change.after
        if after != change.before:
            yield Difference(kind, change.name, change.before, after)


def _listings(original: RecordedRun, repeated: RecordedRun) -> Iterator[Difference]:
    """Where the data of two runs differ, by their listings."""
    for name in sorted(original.data.keys() | repeated.data.keys()):
        before, after = (run.data.get(name) for run in (original, repeated))
        prints = before and before.fingerprint, after and after.fingerprint
        if prints[0] == prints[1] or (prints[1] is None and repeated.state != "finished"):  # it did not come so far
            continue
        if before is None or after is None:
            yield Difference("data", name, *prints)
            continue
        try:
            told = compare_listings(before.listing(), after.listing())
        except RunfolioError:  # too long to be kept
            yield Difference("data", name, *prints)
            continue
        for kind, items in vars(told).items():
            for item in items[:20]:
                yield Difference("data", f"{name}/{item}", "", kind, rank=2)


def environments(
    before: Mapping[str, Any], after: Mapping[str, Any], start: Start, plan: Plan | None = None
) -> Iterator[Difference]:
    """Packages, machine, torch's switches and variables; what only one of them says is no difference."""
    imported = _imported(start)
    origins = [(it.get("installed_from") or {}) for it in (before, after)]
    for change in changes(before.get("packages") or {}, after.get("packages") or {}):
        rank = 0 if change.name in imported else 1 if change.name in _NUMERIC else 2
        yield Difference("package", change.name, change.before, change.after, rank=rank)
    for change in changes(*origins):
        if change.before is not None and change.after is not None:
            yield Difference("package", f"{change.name} from", change.before, change.after, rank=2)
    if before.get("python") != after.get("python"):
        yield Difference("package", "python", before.get("python"), after.get("python"))
    for change in changes(_hardware(before), _hardware(after)):
        yield Difference("hardware", change.name, change.before, change.after)
    torch = [it.get("torch") or {} for it in (before, after)]
    for change in changes(*torch) if all(torch) else ():
        kind = "seeds" if change.name in _SWITCHES else "environment"
        yield Difference(kind, f"torch.{change.name}", change.before, change.after, rank=0)
    if plan is not None:
        variables = [of_the_program(it.get("variables") or {}) for it in (before, after)]
        yield from _changes(plan, "environment", changes(*variables))


def _hardware(environment: Mapping[str, Any]) -> dict[str, Any]:
    cpu = environment.get("cpu") or {}
    return {
        "processor": cpu.get("model"),
        "processors": cpu.get("threads"),
        "GPUs": ", ".join(str(gpu.get("name")) for gpu in environment.get("gpus") or ()) or None,
        "driver": environment.get("driver"),
        "system": environment.get("system"),
    }


def _imported(start: Start) -> set[str]:
    """What the kept code imports, by canonical name."""
    texts = [start.run.code.read(file.path) for file in start.run.code.files if file.path.endswith(".py")]
    return {name.lower().replace("_", "-") for text in texts for name in _IMPORT.findall(text)}
