"""Checkpoints: tensor files first, then a manifest with the digest of each (`docs/format.md`, Checkpoints)."""

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
from runfolio.record.base.layout import CHECKPOINTS, FORMAT
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
"""The one before `last`."""
BEST = "best"
STATE = "state"
"""The part that holds the tensors of everything that is not a module."""
GENERATORS = "generators"
"""The state entry that holds all random generators' states."""
EXTRA_STATE = "extra_state"
"""The state entry that holds what `get_extra_state` of layers returned, by module and key."""
RESERVED = (GENERATORS, EXTRA_STATE)
"""Names of state entries that are not the user's."""
_MOST_PRINTED = 5


@dataclass(frozen=True, repr=False)
class Checkpoint:
    """A manifest that was read; tensor files are checked and read on demand."""

    folder: Path
    """The run's folder."""
    name: str
    step: int | None
    metric: float | None
    saved: datetime
    attempt: int
    position: dict[str, int]
    """The last seq of each writer when it was saved; but of those that had joined."""
    position_us: int
    """When that was, microseconds since 1970 UTC."""
    loader: str | None
    """Name of the installed loader that rebuilds the model, where the run named one."""
    meta: dict[str, Any]
    _state: dict[str, Any]
    _files: dict[str, TensorFile]

    def __repr__(self) -> str:
        metric = "" if self.metric is None else f", metric {self.metric:.4g}"
        return f"<Checkpoint {self.name}, step {self.step}{metric}, {self.size_bytes / 1e6:.3g} MB>"

    @property
    def parts(self) -> list[str]:
        """The modules it holds."""
        return [part for part in self._files if part != STATE]

    @property
    def file_names(self) -> list[str]:
        """Its tensor files, below `checkpoints/`."""
        return [entry.file for entry in self._files.values()]

    def verify(self) -> None:
        """Look whether every tensor file is what it was when it was saved.

        Raises:
            DamagedFile: One is gone, or its size or SHA-256 is not the manifest's.
        """
        for entry in self._files.values():
            _verify(_file_path(self.folder, entry), entry)

    @property
    def size_bytes(self) -> int:
        return sum(entry.bytes for entry in self._files.values())

    def tensors(self, part: str = "model") -> dict[str, torch.Tensor]:
        """A module's `state_dict`, on the CPU, under its own keys.

        Raises:
            NotFound: The checkpoint has no such part.
            DamagedFile: The file's size or SHA-256 is not the manifest's, or it is not a safetensors file.
        """
        tensors = self._read(part)
        return {key: tensor for key, tensor in tensors.items() if key not in self._files[part].wrapper_keys}

    def stored_tensors(self, part: str = "model") -> dict[str, StoredTensor]:
        """Return shape and dtype of each tensor of a module's `state_dict`; no tensor is read.

        Raises:
            NotFound, DamagedFile: As in `tensors`, but for the file's SHA-256.
        """
        entry = self._entry(part)
        with _opened(self.folder, entry) as (path, shown):
            tensors = read_tensor_headers(path, shown)
        return {key: tensor for key, tensor in tensors.items() if key not in entry["wrapper_keys"]}

    def _read(self, part: str) -> dict[str, torch.Tensor]:
        entry = self._entry(part)
        _verify(_file_path(self.folder, entry), entry)
        with _opened(self.folder, entry) as (path, shown):
            return read_tensors(path, shown)

    def _entry(self, part: str) -> dict[str, Any]:
        entry = self._files.get(part)
        if entry is None:
            raise NotFound(
                f"checkpoint {self.name!r} of {self.folder} holds no {part!r}; {did_you_mean(part, self.parts)}"
            )
        return entry

    def entries(self, part: str = "model") -> dict[str, Any]:
        """A module's tensors, those of its wrappers too, and what `get_extra_state` of its layers returned.

        Of a part that was saved as a `state_dict`, its entries.

        Raises:
            NotFound, DamagedFile: As in `tensors`.
        """
        if part not in self._files and isinstance(state_dict := self.state.get(part), Mapping):
            return dict(state_dict)
        tensors = self._read(part)
        return {**tensors, **self.state[EXTRA_STATE].get(part, {})} if EXTRA_STATE in self._state else tensors

    def wrappers(self, part: str = "model") -> dict[str, list[str]]:
        """Types of the wrappers that a saved module had, outermost first, by path of the module in them."""
        return self._files[part].wrappers if part in self._files else {}

    @property
    def state(self) -> dict[str, Any]:
        """Everything saved that is not a module, as it was given: optimizer, scheduler, counters.

        Enum members and namedtuples of the user's own are plain values; `restore` gives them their types.

        Raises:
            DamagedFile: As in `tensors`.
        """
        return self.unpack_state({})[0]

    def unpack_state(self, types: Mapping[str, type]) -> tuple[dict[str, Any], dict[str, set[str]]]:
        """Return everything saved that is not a module, and by entry the names of types that are not among `types`.

        Args:
            types: Enums and namedtuples of the user's own, by name.
        Raises:
            DamagedFile: As in `tensors`.
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
    """Checkpoints of a run; the list prints the newest ones only."""

    def __repr__(self) -> str:
        older = len(self) - _MOST_PRINTED
        return f"[{f'{older} more, ' if older > 0 else ''}{', '.join(map(repr, self[-_MOST_PRINTED:]))}]"


@dataclass(frozen=True)
class TensorFile:
    """A file of tensors that a manifest names."""

    file: FileNameText
    bytes: Count
    sha256: Sha256
    wrappers: dict[str, list[Line]] = field(default_factory=dict)
    """Types of a module's wrappers, outermost first, by path of the module in them."""
    wrapper_keys: list[Line] = field(default_factory=list)
    """Keys of the file that belong to a wrapper."""


@dataclass(frozen=True)
class ManifestFields:
    """`checkpoints/<name>.json`."""

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
    """None: `saved`."""


Manifest = dict[str, Any]
"""A manifest's content as JSON has it."""


@dataclass(frozen=True)
class Snapshot:
    """A training's state made ready to be written: its plain values as JSON, its tensors by part."""

    tree: dict[str, Any]
    tensors: Mapping[str, Mapping[str, torch.Tensor]]
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Wrappers of a module and the keys of theirs, by part."""

    @classmethod
    def capture(
        cls, modules: Mapping[str, ModuleState], state: Mapping[str, Any], restorable: Collection[str] = ()
    ) -> Snapshot:
        """The state as it is now; its tensors are still those of the training.

        Args:
            modules: State of each module.
            state: Everything else; see `state_codec.Packer` for what it may hold.
            restorable: Entries of `state` that come from an object which `restore` can fill.
        Raises:
            ConfigError: It holds something that cannot be given back as it is, or a part has an odd name.
            MissingExtra: There are tensors, but no safetensors library to write them.
        """
        if STATE in modules:
            raise ConfigError(f"{STATE!r} is not a name for a module; choose another")
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
        """The same with tensors of its own, in the host's memory: what the training does from now on changes nothing.

        Args:
            spare: One that was copied before and is not needed any more: its memory is used again.
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
    """Save one checkpoint under several names; what no name refers to any more is deleted afterwards.

    At every moment of it each name that there was is there, of the old checkpoint or the new one.

    Args:
        folder: The run's folder.
        names: Manifests to (re)place, such as `best` and `last`, in this order.
        stem: Start of the tensor files' names, never used before in this run.
        snapshot: As `Snapshot.copy` gives it.
        about: step, metric, attempt, position, position_us, loader and meta of the manifest.
        renamed: Earlier checkpoints that are given a name too: in this order, before those of the new one.
        is_ours: Asked when the tensors are written, and before anything is deleted: whether the run is still this
            process's to write.
    Returns:
        The manifest; None where the run is somebody else's by now.
    Raises:
        OSError: The store cannot be written; the checkpoints before are whole.
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
            else:  # what no manifest names may be what the run's other process has just written
                for part in snapshot.tensors:
                    _tensor_path(checkpoint_folder, stem, part).unlink(missing_ok=True)


def delete_names(folder: Path, names: Iterable[str]) -> None:
    """Take names away, and delete what no other refers to.

    Raises:
        OSError: The store cannot be written.
    """
    for name in names:
        manifest_path(folder, name).unlink(missing_ok=True)
    prune(folder)


def _pop_extra_state(entries: dict[str, Any]) -> dict[str, Any]:
    """Take out of a module's entries what `get_extra_state` returned, but for tensors."""
    keys = [key for key in entries if key.endswith(EXTRA_STATE_SUFFIX) and not hasattr(entries[key], "untyped_storage")]
    return {key: entries.pop(key) for key in keys}


def _part_name(part: str) -> str:
    if not part.isidentifier() or not is_file_name(part):
        raise ConfigError(f"{part!r} is not a name for a part of a checkpoint; use letters, digits and _")
    return part


def manifest_path(folder: Path, name: str) -> RecordPath:
    return RecordPath(folder, CHECKPOINTS) / f"{name}.json"


def _file_path(folder: Path, entry: TensorFile) -> RecordPath:
    return RecordPath(folder, CHECKPOINTS) / entry.file


@contextlib.contextmanager
def _opened(folder: Path, entry: Mapping[str, Any]) -> Iterator[tuple[Path, RecordPath]]:
    """Open a tensor file; a path that leads through its descriptor, and the one that people know.

    Raises:
        DamagedFile: It is missing, or cannot be read.
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
    """Delete tensor files that no manifest names, half-written ones of killed processes among them.

    A damaged manifest keeps what it may have named: all that is older than itself. What cannot be deleted stays.
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
    """Or a temporary file: ours, or one of the safetensors library."""
    return name.endswith(".safetensors") or name.startswith(".tmp")


def names(folder: Path) -> list[str]:
    """The checkpoints of a run, sorted."""
    try:
        paths = RecordPath(folder, CHECKPOINTS).entries()
    except UnusableFile:  # `runfolio doctor` names it, and nothing is written there
        return []
    return [path.stem for path in paths if path.suffix == ".json"]


def manifest_of(folder: Path, name: str) -> Manifest:
    """A manifest as JSON has it, without its name.

    Raises:
        DamagedFile, NotFound, NewerFormat: As `read` says.
    """
    value = _content(folder, name)
    _checkpoint(folder, name, value)  # which says where it is damaged
    value.pop("name", None)
    return value


def read_intact(folder: Path, name: str, warn: Callable[[str], object]) -> Checkpoint:
    """A checkpoint of which every file is what it was when it was saved; for a damaged `last` the newest other one.

    Args:
        warn: Gets a sentence where it is another one: which file is damaged, and which checkpoint is used instead.
    Raises:
        NotFound: The run has no such checkpoint.
        DamagedFile: It is damaged, and so are the others, or another name than `last` was asked for; the message
            says which are still whole.
        NewerFormat: A newer runfolio wrote it.
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
        warn(f"checkpoint {LAST!r} cannot be used, so {_label(checkpoint)} is: {reason}")
        return checkpoint
    alternatives = ", ".join(map(_label, intact))
    raise DamagedFile(
        f"{reason}; {f'still whole: {alternatives}' if alternatives else 'no other checkpoint of the run is whole'}"
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
    """The names of the other checkpoints that can be read: the newest first, those of abandoned branches last."""
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
    """The last seq of each writer on the newest branch; nothing where `run.json` cannot be read."""
    with contextlib.suppress(RunfolioError, OSError):
        if attempts := RunDocument.read(folder).attempts:
            return {**attempts[-1].kept, attempts[-1].writer: math.inf}
    return {}


def _label(checkpoint: Checkpoint) -> str:
    return repr(checkpoint.name) if checkpoint.step is None else f"{checkpoint.name!r} (step {checkpoint.step:,})"


def read(folder: Path, name: str = LAST) -> Checkpoint:
    """A checkpoint's manifest.

    Raises:
        NotFound: The run has no such checkpoint.
        DamagedFile: The manifest is damaged.
        NewerFormat: A newer runfolio wrote it.
    """
    return _checkpoint(folder, name, _content(folder, name))


def _content(folder: Path, name: str) -> dict[str, Any]:
    try:
        if not is_file_name(f"{name}.json"):
            raise FileNotFoundError
        return files.read_json(manifest_path(folder, name))
    except FileNotFoundError:
        available = names(folder)
        hint = f"it has {', '.join(available)}" if available else "it saved none"
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


_REMEDY = "restore it from a copy of the run, use another checkpoint, or train anew"


def _verify(path: RecordPath, entry: TensorFile) -> None:
    try:
        size = path.status().st_size
        if size != entry.bytes:
            raise DamagedFile(f"{path} is damaged ({size} bytes, {entry.bytes} when it was saved); {_REMEDY}")
        if path.sha256(file_bounds.TENSORS) != entry.sha256:
            raise DamagedFile(
                f"{path} is damaged (its SHA-256 differs from the recorded one when it was saved); {_REMEDY}"
            )
    except DamagedFile:
        raise
    except OSError as error:
        raise DamagedFile(f"{path} cannot be read ({error.strerror})") from None
