"""Saved checkpoints of a run. Each checkpoint consists of a manifest and tensor files (`docs/format.md`, Checkpoints).

Each tensor file contains one part: a module, or the part `state` for everything else. The manifest contains the digests
of the tensor files and is written last.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from runfolio.errors import ConfigError, DamagedFile, NotFound, RunfolioError, did_you_mean
from runfolio.record.base import file_bounds, files, schema
from runfolio.record.base.file_names import is_file_name
from runfolio.record.base.layout import CHECKPOINTS, FORMAT, find_pruned
from runfolio.record.base.record_path import RecordPath, UnusableFile, descriptor_path
from runfolio.record.base.run_document import RunDocument, now, time_to_text
from runfolio.record.base.schema import (
    AnyNumber,
    AttemptNumber,
    Count,
    FileNameText,
    Integer,
    Line,
    Moment,
    Most,
    Sha256,
    Writer,
)
from runfolio.record.checkpoints.loading import EXTRA_STATE_SUFFIX
from runfolio.record.checkpoints.state_codec import (
    Packer,
    StoredTensor,
    Unpacker,
    check_tensors,
    host_copies,
    read_tensor_headers,
    read_tensors,
    write_tensors,
)
from runfolio.record.checkpoints.wrappers import ModuleState

if TYPE_CHECKING:
    import torch

LAST = "last"
PREVIOUS = "previous"
"""Name of the checkpoint that was called `last` before the current `last` was saved."""
BEST = "best"
STATE = "state"
"""Name of the part with the tensors that do not belong to a module."""
GENERATORS = "generators"
"""State entry that contains the states of all random generators."""
EXTRA_STATE = "extra_state"
"""State entry that contains the results of the layers' `get_extra_state`, by module and key."""
RESERVED = (GENERATORS, EXTRA_STATE)
"""Names of state entries that are reserved."""
_MOST_PRINTED = 5


@dataclass(frozen=True, repr=False)
class Checkpoint:
    """Checkpoint with its manifest loaded. Tensor files are verified and read on demand."""

    folder: Path
    """Folder of the run."""
    name: str
    step: int | None
    metric: float | None
    saved: datetime
    attempt: int
    position: dict[str, int]
    """Sequence number of the last log call of each writer (process) at the time of saving. Other processes that had
    joined the attempt, such as other ranks, are omitted."""
    position_us: int
    """Time at which the state was captured, in microseconds since 1970 UTC."""
    loader: str | None
    """Name of the installed loader that can rebuild the model, if the run named a loader."""
    meta: dict[str, Any]
    _state: dict[str, Any]
    _files: dict[str, TensorFile]

    def __repr__(self) -> str:
        metric = "" if self.metric is None else f", metric {self.metric:.4g}"
        return f"<Checkpoint {self.name}, step {self.step}{metric}, {self.size_bytes / 1e6:.3g} MB>"

    @property
    def parts(self) -> list[str]:
        """Names of the saved modules."""
        return [part for part in self._files if part != STATE]

    @property
    def file_names(self) -> list[str]:
        """Names of the tensor files in `checkpoints/`."""
        return [entry.file for entry in self._files.values()]

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each tensor file as hexadecimal digits, by part."""
        return {part: entry.sha256 for part, entry in self._files.items()}

    def verify(self) -> None:
        """Verify that no tensor file has changed since it was saved.

        Raises:
            DamagedFile: A file is missing, or its size or SHA-256 differs from the manifest.
        """
        for entry in self._files.values():
            _verify(_file_path(self.folder, entry), entry)

    @property
    def size_bytes(self) -> int:
        return sum(entry.bytes for entry in self._files.values())

    def tensors(self, part: str = "model") -> dict[str, torch.Tensor]:
        """Return the `state_dict` of a module on the CPU, with the keys of the unwrapped module.

        Raises:
            NotFound: The checkpoint has no such part.
            DamagedFile: The file's size or SHA-256 differs from the manifest, or it is not a safetensors file.
        """
        tensors = self._read(part)
        return {key: tensor for key, tensor in tensors.items() if key not in self._files[part].wrapper_keys}

    def stored_tensors(self, part: str = "model") -> dict[str, StoredTensor]:
        """Return the shape and dtype of each tensor in a module's `state_dict` without reading the tensors.

        Raises:
            NotFound: The checkpoint has no such part.
            DamagedFile: The file is missing, or it is not a safetensors file. Its SHA-256 is not checked.
        """
        entry = self._entry(part)
        with _opened(self.folder, entry) as (path, shown):
            tensors = read_tensor_headers(path, shown)
        return {key: tensor for key, tensor in tensors.items() if key not in entry.wrapper_keys}

    def _read(self, part: str) -> dict[str, torch.Tensor]:
        entry = self._entry(part)
        _verify(_file_path(self.folder, entry), entry)
        with _opened(self.folder, entry) as (path, shown):
            return read_tensors(path, shown)

    def _entry(self, part: str) -> TensorFile:
        entry = self._files.get(part)
        if entry is None:
            raise NotFound(
                f"checkpoint {self.name!r} of {self.folder} holds no {part!r}; {did_you_mean(part, self.parts)}"
            )
        return entry

    def entries(self, part: str = "model") -> dict[str, Any]:
        """Return the tensors of a module and its wrappers, and the results of `get_extra_state`.

        If the part was saved as a `state_dict`, return the entries of this `state_dict`.

        Raises:
            NotFound, DamagedFile: The checkpoint has no such part, or the file of the part is damaged.
        """
        if part not in self._files and isinstance(state_dict := self.state.get(part), Mapping):
            return dict(state_dict)
        tensors = self._read(part)
        return {**tensors, **self.state[EXTRA_STATE].get(part, {})} if EXTRA_STATE in self._state else tensors

    def wrappers(self, part: str = "model") -> dict[str, list[str]]:
        """Return the types of the wrappers of a saved module, outermost first, by the path of the wrapped module."""
        return self._files[part].wrappers if part in self._files else {}

    @property
    def state(self) -> dict[str, Any]:
        """Saved state of everything except modules, such as the optimizer, the scheduler and counters.

        Enum members defined by the user are returned as their values, and namedtuples as tuples. `restore` converts
        both to their original types.

        Raises:
            DamagedFile: `tensors` raises this error in the same cases.
        """
        return self.unpack_state({})[0]

    def unpack_state(self, types: Mapping[str, type]) -> tuple[dict[str, Any], dict[str, set[str]]]:
        """Return the saved state except modules. Also return, for each entry, the names of types that are missing from
        `types`.

        Args:
            types: Enums and namedtuples defined by the user, by name.
        Raises:
            DamagedFile: `tensors` raises this error in the same cases.
        """
        tensors = self._read(STATE) if STATE in self._files else {}
        unpackers = {name: Unpacker(tensors, types) for name in self._state}
        try:
            state = {name: unpackers[name].unpack(entry) for name, entry in self._state.items()}
            return state, {name: unpacker.lost for name, unpacker in unpackers.items()}
        except (AttributeError, KeyError, OverflowError, RuntimeError, TypeError, ValueError) as error:
            raise DamagedFile(
                f"checkpoint {self.name!r} of {self.folder} is damaged (state: {str(error)[:200]})"
            ) from None


class CheckpointList(list[Checkpoint]):
    """List of a run's checkpoints. The `repr` of the list shows only the newest checkpoints."""

    def __repr__(self) -> str:
        older = len(self) - _MOST_PRINTED
        return f"[{f'{older} more, ' if older > 0 else ''}{', '.join(map(repr, self[-_MOST_PRINTED:]))}]"


@dataclass(frozen=True)
class TensorFile:
    """Entry of a manifest for one tensor file."""

    file: FileNameText
    bytes: Count
    sha256: Sha256
    wrappers: dict[str, list[Line]] = field(default_factory=dict)
    """Types of the module's wrappers, outermost first, by the path of the wrapped module."""
    wrapper_keys: list[Line] = field(default_factory=list)
    """Keys of the file that belong to a wrapper."""


@dataclass(frozen=True)
class ManifestFields:
    """Content of `checkpoints/<name>.json`."""

    step: Integer | None
    metric: AnyNumber | None
    saved: Moment
    attempt: AttemptNumber
    position: dict[Writer, Count]
    loader: Line | None
    meta: dict[str, Any]
    state: dict[str, Any]
    files: Annotated[dict[str, TensorFile], Most(10_000)]
    position_us: Integer | None = None
    """The value is None in records of earlier versions. The time `saved` is used instead."""


Manifest = dict[str, Any]
"""JSON content of a manifest."""


@dataclass(frozen=True)
class Snapshot:
    """Training state in the form in which it is written: numbers, strings and containers as JSON, and tensors by
    part."""

    tree: dict[str, Any]
    tensors: Mapping[str, Mapping[str, torch.Tensor]]
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Wrappers of each module and the keys that belong to them, by the name of the module."""

    @classmethod
    def capture(
        cls, modules: Mapping[str, ModuleState], state: Mapping[str, Any], restorable: Collection[str] = ()
    ) -> Snapshot:
        """Capture the current state. The tensors are not copied yet.

        Args:
            modules: State of each module.
            state: All other state. `state_codec.Packer` lists the supported types.
            restorable: Names of the entries of `state` that come from objects with a `load_state_dict`.
        Raises:
            ConfigError: A value cannot be restored unchanged, or a part has an invalid name.
            MissingExtra: There are tensors, but the safetensors library is not installed.
        """
        if STATE in modules:
            raise ConfigError(f"{STATE!r} cannot be the name of a module; choose another name")
        packer = Packer()
        tree: dict[str, Any] = {}
        for key, value in state.items():
            packer.has_target = key in restorable
            tree[key] = packer.pack(value, key)
        parts = {_part_name(part): dict(module.entries) for part, module in modules.items()}
        packer.has_target = False
        if extra := {part: _pop_extra_state(entries) for part, entries in parts.items()}:
            tree |= {EXTRA_STATE: packer.pack(extra, EXTRA_STATE)} if any(extra.values()) else {}
        for tensors in parts.values():
            check_tensors(tensors)
        if packer.tensors:
            check_tensors(packer.tensors)
            parts[STATE] = packer.tensors
        notes = {
            part: {"wrappers": module.wrappers, "wrapper_keys": module.wrapper_keys}
            for part, module in modules.items()
            if module.wrappers
        }
        return cls(tree, parts, notes)

    def copy(self, spare: Snapshot | None = None) -> Snapshot:
        """Return a copy with tensors in host memory. Further training does not change the copy.

        Args:
            spare: Earlier copy that is no longer needed. The memory of this copy is reused.
        Raises:
            MemoryError, RuntimeError: There is not enough memory.
        """
        spare_tensors = {} if spare is None else spare.tensors
        copies = {part: host_copies(tensors, spare_tensors.get(part)) for part, tensors in self.tensors.items()}
        return Snapshot(self.tree, copies, self.notes)


def save(
    folder: Path,
    names: Sequence[str],
    stem: str,
    snapshot: Snapshot,
    about: Mapping[str, Any],
    *,
    renamed: Mapping[str, Manifest] | None = None,
    is_ours: Callable[[], bool] = lambda: True,
) -> Manifest | None:
    """Save one checkpoint under one or more names, then delete files that no name refers to.

    At any time, each existing name refers to either the old or the new checkpoint.

    Args:
        folder: Folder of the run.
        names: Names of the manifests to create or replace in this order, such as `best` and `last`.
        stem: Beginning of the names of the tensor files. The names must be new in this run.
        snapshot: Result of `Snapshot.copy`.
        about: Values of step, metric, attempt, position, position_us, loader and meta for the manifest.
        renamed: Manifests of earlier checkpoints by new name. These checkpoints are renamed in the given order, before
            the new checkpoint gets its names.
        is_ours: Function that returns whether this process may still write to the run. The function is called after the
            tensors are written and before anything is deleted.
    Returns:
        The manifest, or None if another process has taken over the run.
    Raises:
        OSError: The store cannot be written to. The earlier checkpoints are intact.
    """
    checkpoint_folder = RecordPath(folder, CHECKPOINTS)
    checkpoint_folder.mkdir()
    try:
        entries = {
            part: _write_part(_tensor_path(checkpoint_folder, stem, part), tensors) | snapshot.notes.get(part, {})
            for part, tensors in snapshot.tensors.items()
        }
        if not is_ours():
            return None
        saved = time_to_text(now())
        manifest = {"runfolio": FORMAT, **about, "saved": saved, "state": snapshot.tree, "files": entries}
        for name, content in (*(renamed or {}).items(), *((name, manifest) for name in names)):
            files.write_json(
                checkpoint_folder / f"{name}.json", {"runfolio": FORMAT, "name": name, **content}, sync=True
            )
        return manifest
    finally:
        with contextlib.suppress(OSError):
            if is_ours():
                prune(folder)
            else:  # another process that took over the run may have written the files that no name refers to
                for part in snapshot.tensors:
                    _tensor_path(checkpoint_folder, stem, part).unlink(missing_ok=True)


def delete_names(folder: Path, names: Iterable[str]) -> None:
    """Remove names of checkpoints, and delete the files that no other name uses.

    Raises:
        OSError: The store cannot be written to.
    """
    for name in names:
        manifest_path(folder, name).unlink(missing_ok=True)
    prune(folder)


def _pop_extra_state(entries: dict[str, Any]) -> dict[str, Any]:
    """Remove the results of `get_extra_state` from a module's entries, and return them. Results that are tensors remain
    in the entries."""
    keys = [key for key in entries if key.endswith(EXTRA_STATE_SUFFIX) and not hasattr(entries[key], "untyped_storage")]
    return {key: entries.pop(key) for key in keys}


def _part_name(part: str) -> str:
    if not part.isidentifier() or not is_file_name(part):
        raise ConfigError(f"{part!r} is not a valid name for a part of a checkpoint; use letters, digits and _")
    return part


def manifest_path(folder: Path, name: str) -> RecordPath:
    return RecordPath(folder, CHECKPOINTS) / f"{name}.json"


def _file_path(folder: Path, entry: TensorFile) -> RecordPath:
    return RecordPath(folder, CHECKPOINTS) / entry.file


@contextlib.contextmanager
def _opened(folder: Path, entry: TensorFile) -> Iterator[tuple[Path, RecordPath]]:
    """Open a tensor file, and yield a path through its descriptor and the plain path for messages.

    Raises:
        DamagedFile: The file is missing or cannot be read.
    """
    path = _file_path(folder, entry)
    try:
        file = path.open(file_bounds.TENSORS)
    except DamagedFile:
        raise
    except OSError as error:
        raise DamagedFile(f"{path} cannot be read ({error.strerror})") from None
    with file:
        yield descriptor_path(file.fileno(), str(path)), path


def _tensor_path(checkpoint_folder: RecordPath, stem: str, part: str) -> RecordPath:
    return checkpoint_folder / f"{stem}.{part}.safetensors"


def _write_part(path: RecordPath, tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    path.replace(lambda temporary: write_tensors(temporary, tensors), sync=True)
    digest = path.sha256(file_bounds.TENSORS)
    return {"file": path.name, "bytes": path.status().st_size, "sha256": digest}


def prune(folder: Path) -> None:
    """Delete tensor files that no manifest refers to. Incomplete files of killed processes are deleted too.

    Files that are older than a damaged manifest are kept, because the manifest may have referred to them. Files that
    cannot be deleted are skipped.
    """
    with contextlib.suppress(RunfolioError, OSError):
        paths = [path for path in RecordPath(folder, CHECKPOINTS).all_entries() if _is_tensor_file(path.name)]
        used: set[str] = set()
        damaged_ns = -1
        for name in names(folder):
            try:
                used.update(read(folder, name).file_names)
            except DamagedFile:
                damaged_ns = max(damaged_ns, manifest_path(folder, name).status().st_mtime_ns)
        for path in paths:
            if path.name not in used and path.status().st_mtime_ns > damaged_ns:
                path.unlink(missing_ok=True)


def _is_tensor_file(name: str) -> bool:
    """Return whether a file is a tensor file, or a temporary file of runfolio or of the safetensors library."""
    return name.endswith(".safetensors") or name.startswith(".tmp")


def names(folder: Path) -> list[str]:
    """Return the names of a run's checkpoints, sorted."""
    try:
        paths = RecordPath(folder, CHECKPOINTS).entries()
    except UnusableFile:  # the folder is a link, which `runfolio doctor` reports
        return []
    return [path.stem for path in paths if path.suffix == ".json"]


def pruned_names(folder: Path) -> list[str]:
    """Return the names of a run's checkpoints that were pruned and are still in the trash of the store, sorted."""
    return sorted({name for part in find_pruned(folder)[1] for name in names(part)})


def manifest_of(folder: Path, name: str) -> Manifest:
    """Return the JSON object of a manifest without the name of the checkpoint.

    Raises:
        DamagedFile, NotFound, NewerFormat: The manifest is damaged, does not exist, or was written by a newer version
            of runfolio.
    """
    value = _content(folder, name)
    _checkpoint(folder, name, value)  # this call raises an error if the manifest is damaged
    value.pop("name", None)
    return value


def read_intact(folder: Path, name: str, warn: Callable[[str], object]) -> Checkpoint:
    """Return a checkpoint after verifying its files. If `last` is damaged, return the newest intact checkpoint instead.

    Args:
        warn: Function that is called with a message if a different checkpoint is returned. The message names the
            damaged file and the returned checkpoint.
    Raises:
        NotFound: The run has no such checkpoint.
        DamagedFile: The checkpoint is damaged. The message lists the intact checkpoints. For `last`, this error means
            that no checkpoint is intact.
        NewerFormat: A newer version of runfolio wrote the file.
    """
    try:
        return _read_and_verify(folder, name)
    except (DamagedFile, NotFound) as error:
        candidates = _fallback_names(folder, name)
        if isinstance(error, NotFound) and (name != LAST or not candidates):
            raise
        reason = str(error)
    intact = (checkpoint for other in candidates if (checkpoint := _read_if_intact(folder, other)) is not None)
    if name == LAST and (checkpoint := next(intact, None)) is not None:
        warn(f"checkpoint {LAST!r} cannot be used, so {_label(checkpoint)} is used: {reason}")
        return checkpoint
    alternatives = ", ".join(map(_label, intact))
    raise DamagedFile(
        f"{reason}; {f'still intact: {alternatives}' if alternatives else 'no other checkpoint of the run is intact'}"
    )


def _read_and_verify(folder: Path, name: str) -> Checkpoint:
    checkpoint = read(folder, name)
    checkpoint.verify()
    return checkpoint


def _read_if_intact(folder: Path, name: str) -> Checkpoint | None:
    try:
        return _read_and_verify(folder, name)
    except RunfolioError:
        return None


def _fallback_names(folder: Path, name: str) -> list[str]:
    """Return the names of the other readable checkpoints, newest first.

    Checkpoints that a later resume has discarded are at the end.
    """
    checkpoints: list[Checkpoint] = []
    for other in names(folder):
        with contextlib.suppress(RunfolioError, OSError):
            if other != name:
                checkpoints.append(read(folder, other))
    last_seqs = _last_seqs(folder)

    def order(checkpoint: Checkpoint) -> tuple[bool, int]:
        is_on_branch = all(seq <= last_seqs.get(writer, 0) for writer, seq in checkpoint.position.items())
        return is_on_branch, checkpoint.position_us

    return [checkpoint.name for checkpoint in sorted(checkpoints, key=order, reverse=True)]


def _last_seqs(folder: Path) -> dict[str, float]:
    """Return the last sequence number (seq) of each writer (process) on the newest branch.

    Return an empty dict if `run.json` is unreadable. The newest branch consists of the log calls that no resume has
    discarded.
    """
    with contextlib.suppress(RunfolioError, OSError):
        if attempts := RunDocument.read(folder).attempts:
            return {**attempts[-1].kept, attempts[-1].writer: math.inf}
    return {}


def _label(checkpoint: Checkpoint) -> str:
    return repr(checkpoint.name) if checkpoint.step is None else f"{checkpoint.name!r} (step {checkpoint.step:,})"


def read(folder: Path, name: str = LAST) -> Checkpoint:
    """Read the manifest of a checkpoint.

    Raises:
        NotFound: The run has no such checkpoint.
        DamagedFile: The manifest is damaged.
        NewerFormat: A newer version of runfolio wrote the file.
    """
    return _checkpoint(folder, name, _content(folder, name))


def _content(folder: Path, name: str) -> dict[str, Any]:
    try:
        if not is_file_name(f"{name}.json"):
            raise FileNotFoundError
        return files.read_json(manifest_path(folder, name))
    except FileNotFoundError:
        available = names(folder)
        hint = f"it has {', '.join(available)}" if available else "it has none"
        if pruned := pruned_names(folder):
            undelete = f"runfolio undelete {find_pruned(folder)[0]}"
            hint += f"; checkpoints were pruned, and `{undelete}` restores {', '.join(pruned)}"
        raise NotFound(f"no checkpoint {name!r} in {folder}; {hint}") from None


def _checkpoint(folder: Path, name: str, value: dict[str, Any]) -> Checkpoint:
    try:
        manifest = schema.decode_whole(ManifestFields, value)
    except ValueError as error:
        raise DamagedFile(f"{manifest_path(folder, name)} is damaged ({error})") from None
    saved_us = int(manifest.saved.timestamp() * 1e6)
    return Checkpoint(
        folder=folder,
        name=name,
        step=manifest.step,
        metric=manifest.metric,
        saved=manifest.saved,
        attempt=manifest.attempt,
        position=manifest.position,
        position_us=saved_us if manifest.position_us is None else manifest.position_us,
        loader=manifest.loader,
        meta=manifest.meta,
        _state=manifest.state,
        _files=manifest.files,
    )


_REMEDY = "restore it from a copy of the run, use another checkpoint, or train again"


def _verify(path: RecordPath, entry: TensorFile) -> None:
    try:
        size = path.status().st_size
        if size != entry.bytes:
            raise DamagedFile(f"{path} is damaged ({size} bytes, {entry.bytes} when it was saved); {_REMEDY}")
        if path.sha256(file_bounds.TENSORS) != entry.sha256:
            raise DamagedFile(f"{path} is damaged (its SHA-256 has changed since it was saved); {_REMEDY}")
    except DamagedFile:
        raise
    except OSError as error:
        raise DamagedFile(f"{path} cannot be read ({error.strerror})") from None
