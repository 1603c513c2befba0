"""Differences between two runs as recorded at their start: code, packages, environment, settings and data."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runfolio.query.run_view import RunView
from runfolio.query.selection import data_match
from runfolio.query.tables.run_labels import unique_labels
from runfolio.record.base.flat_names import flatten, identity
from runfolio.record.content.data_listings import ListingDifference

UNCOMMITTED = "uncommitted changes"
_MAX_LINES = 20_000
"""Maximum number of lines in a file that is compared line by line. A diff of a longer file would take minutes."""
_NOT_COMPARED = ("packages", "installed_from", "disk_free_mb")
_DATA_SETTING = re.compile(r"(test_)?data(set)?([_/].*)?$")
"""Pattern for the names of settings that specify the data."""
_DATA_RESULT = re.compile(r"(data|classes)(/.*)?$|.*/images$")

Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class Change:
    """Difference in one value."""

    name: str
    kind: Kind
    """Direction of the change, from the first run to the second."""
    before: Any
    """Value in the first run, or None if the value was added."""
    after: Any
    """Value in the second run, or None if the value was removed."""


@dataclass(frozen=True)
class FileChange:
    """Difference in a captured file."""

    path: str
    kind: Kind
    diff: str
    """Unified diff, or a sentence instead of the diff if the file is too long."""


@dataclass(frozen=True)
class DataChange:
    """Difference between the items of one data set."""

    name: str
    sentence: str
    """Sentence with the number of differing items and the first names, or a note that the items are unknown."""
    items: dict[str, Any]
    """Number (`count`) and first names (`first`) of the items of each kind: added, removed, changed, relabelled and
    renamed."""

    @classmethod
    def of(cls, name: str, difference: ListingDifference | None) -> DataChange:
        if difference is None:
            return cls(name, "it is not known which items differ", {})
        return cls(name, difference.sentence, difference.counts_and_names())


@dataclass(frozen=True, kw_only=True)
class RunDiff:
    """Differences between two runs as recorded at their start, by topic. Each list is sorted by name."""

    runs: tuple[str, str]
    """Labels of the runs."""
    command: list[Change]
    """Command line, working folder and script."""
    code: list[Change]
    """Git state: remote, commit, branch, and whether there were uncommitted changes."""
    files: list[FileChange]
    """Differing captured files. Differing uncommitted changes are listed as one more file."""
    files_known: bool
    """True if the code of both runs was captured."""
    packages: list[Change]
    environment: list[Change]
    """Machine, torch settings, and environment variables."""
    seeds: list[Change]
    """Seeds, and digests of the initial states of random generators."""
    config: list[Change]
    """Settings, except those that specify the data."""
    data: list[Change]
    """Settings that specify the data, fingerprints, and results that describe the data (image counts, classes)."""
    items: list[DataChange]
    """Differing items of each data set, sorted by the data set's name."""

    @property
    def sentence(self) -> str:
        """Summary such as `Same code; 2 settings and 1 package differ.`"""
        counts = {
            "setting": len(self.config),
            "package": len(self.packages),
            "fact of the data": len(self.data),
            "fact of the environment": len(self.environment),
        }
        counted = [_count(number, noun) for noun, number in counts.items() if number]
        listed = " and ".join(part for part in (", ".join(counted[:-1]), *counted[-1:]) if part)
        verb = "differs" if sum(counts.values()) == 1 else "differ"
        facts = f"{listed} {verb}" if counted else "settings, packages, data and environment are the same"
        return f"{self._code_summary}; {facts}." + (" The random generators started differently." if self.seeds else "")

    @property
    def _code_summary(self) -> str:
        commits = any(change.name == "commit" for change in self.code)
        if self.files:
            return f"{_count(len(self.files), 'file')} of the code {'differs' if len(self.files) == 1 else 'differ'}"
        if not self.files_known:
            return "Different commits, files not recorded" if commits else "Code not recorded by both runs"
        return "Different commits, but the same files" if commits else "Same code"


def diff(first: RunView, second: RunView) -> RunDiff:
    """Compare two runs as recorded at their start.

    Raises:
        DamagedFile: A record of captured code cannot be read.
        NotFound: A captured file is missing.
    """
    before, after = unique_labels([first, second])

    def differing(part: Callable[[RunView], Mapping[str, Any]]) -> list[Change]:
        return changes(part(first), part(second))

    return RunDiff(
        runs=(before, after),
        command=differing(_command),
        code=differing(_git),
        files=_files(first, second),
        files_known=first.code.capture is not None and second.code.capture is not None,
        packages=differing(_packages),
        environment=differing(_environment),
        seeds=differing(lambda run: run.document.seeds),
        config=differing(_config),
        data=differing(_data),
        items=[DataChange.of(name, difference) for name, difference in data_match.changes(first, second).items()],
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return the differences between two flat mappings, sorted by name. None is treated as a missing value."""
    differences = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if identity(old) == identity(new):
            continue
        differences.append(Change(name, "added" if old is None else "removed" if new is None else "changed", old, new))
    return differences


def _command(run: RunView) -> dict[str, Any]:
    command = " ".join(map(str, run.code.info.get("command") or ()))
    return {"command": command, **{name: run.code.info.get(name) for name in ("script", "module", "folder")}}


def _git(run: RunView) -> dict[str, Any]:
    return {name: run.code.info.get(name) for name in ("remote", "commit", "branch", "dirty")}


def _packages(run: RunView) -> dict[str, str]:
    """Return the version of each package, with its origin if it was not installed from a package index."""
    origins = run.document.environment.get("installed_from") or {}
    return {
        name: f"{version} from {origins[name]}" if name in origins else version
        for name, version in (run.document.environment.get("packages") or {}).items()
    }


def _environment(run: RunView) -> dict[str, Any]:
    return flatten({name: value for name, value in run.document.environment.items() if name not in _NOT_COMPARED})


def _config(run: RunView) -> dict[str, Any]:
    return {name: value for name, value in run.flat_config.items() if not _DATA_SETTING.match(name)}


def _data(run: RunView) -> dict[str, Any]:
    settings = {name: value for name, value in run.flat_config.items() if _DATA_SETTING.match(name)}
    results = {name: value for name, value in run.flat_summary.items() if _DATA_RESULT.match(name)}
    fingerprints = {f"{name}/fingerprint": digest for name, digest in data_match.fingerprints(run).items()}
    return settings | results | fingerprints


def _files(first: RunView, second: RunView) -> list[FileChange]:
    if first.code.capture is None or second.code.capture is None:
        return []
    before, after = ({file.path: file.sha256 for file in run.code.files} for run in (first, second))
    changed_files = [
        _file_change(
            change.name,
            change.kind,
            None if change.kind == "added" else first.code.read(change.name),
            None if change.kind == "removed" else second.code.read(change.name),
        )
        for change in changes(before, after)
    ]
    old, new = first.code.diff, second.code.diff
    if old != new:
        changed_files.append(_file_change(UNCOMMITTED, _kind(old, new), old or None, new or None))
    return changed_files


def _kind(old: str, new: str) -> Kind:
    return "changed" if old and new else "removed" if old else "added"


def _file_change(path: str, kind: Kind, old: str | None, new: str | None) -> FileChange:
    before, after = (old or "").splitlines(), (new or "").splitlines()
    if max(len(before), len(after)) > _MAX_LINES:
        return FileChange(path, kind, f"{path} differs; it is too long for a diff")
    names = "/dev/null" if old is None else f"a/{path}", "/dev/null" if new is None else f"b/{path}"
    return FileChange(path, kind, "\n".join(difflib.unified_diff(before, after, *names, lineterm="")))


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    head, *tail = noun.split(" ", 1)
    return " ".join((f"{number} {head}s", *tail))
