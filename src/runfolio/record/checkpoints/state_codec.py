"""Training state stored without pickle: tensors and arrays in safetensors files, and everything else as JSON.

The JSON form is specified in `docs/format.md`, Checkpoints. Tensor files are read by the safetensors library, which
checks every offset against the size of the file. Loading a file never executes code from the file.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from runfolio.errors import ConfigError, DamagedFile, MissingExtra
from runfolio.record.base.files import NAMED_NUMBERS, number_to_json
from runfolio.record.checkpoints import user_types
from runfolio.record.checkpoints.standard_types import BY_MARK, standard_type
from runfolio.record.checkpoints.wrappers import whole_tensor

if TYPE_CHECKING:
    import torch

_MAX_DEPTH = 60
"""Maximum nesting depth of lists, tuples and dicts. Each of these levels needs up to three of the 200 levels that a
JSON file may have."""


class Packer:
    """Converter from state to JSON. The converter collects the tensors in `tensors`, without duplicates."""

    def __init__(self, prefix: str = "state") -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self.has_target = False
        """True if the value comes from an object that `restore` can load. In this case, types defined by the user are
        allowed."""
        self._prefix = prefix
        self._keys: dict[tuple, str] = {}

    def pack(self, value: Any, key_path: str, depth: int = 0) -> Any:
        """Convert `value` to JSON.

        Args:
            key_path: Path in the state for error messages, such as `optimizer/state/0`.
            depth: Number of lists, tuples and dicts that contain the value.
        Raises:
            ConfigError: A value cannot be restored unchanged, or is nested too deeply.
        """
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**64 else {"$int": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"$float": number_to_json(value)}
        if kind is str:
            return _check_text(value, key_path)
        if kind is list or kind is dict:
            return self._pack_container(value, key_path, depth + 1)
        if (parts := self._parts(value, key_path)) is not None:
            return {parts[0]: self._pack_parts(parts[1], key_path, depth + 1)}
        return self._pack_numbers(value, key_path)

    def _pack_container(self, value: dict | list, key_path: str, depth: int) -> Any:
        _check_depth(key_path, depth)
        if isinstance(value, dict):
            return self._pack_mapping(value, key_path, depth)
        return [self.pack(entry, f"{key_path}/{index}", depth) for index, entry in enumerate(value)]

    def _pack_parts(self, parts: list[Any], key_path: str, depth: int) -> list[Any]:
        _check_depth(key_path, depth)
        return [
            # The list that represents a pair does not count as a level of nesting.
            [self.pack(inner, f"{key_path}/{index}", depth) for inner in part]
            if type(part) is list
            else self.pack(part, f"{key_path}/{index}", depth)
            for index, part in enumerate(parts)
        ]

    def _parts(self, value: Any, key_path: str) -> tuple[str, list[Any]] | None:
        """Return the marker and the parts of a value of a standard or user-defined type, or None for other values."""
        if isinstance(value, Enum) or user_types.is_namedtuple(value):
            return self._user_parts(value, key_path)
        if (kind := standard_type(value)) is None or (parts := kind.parts(value)) is None:
            return None
        return kind.mark, parts

    def _user_parts(self, value: Any, key_path: str) -> tuple[str, list[Any]]:
        kind = type(value).__qualname__
        if not self.has_target:
            remedy = f"{key_path}.value" if isinstance(value, Enum) else f"tuple({key_path}) or {key_path}._asdict()"
            raise ConfigError(
                f"checkpoint entry {key_path} is a {kind}, a user-defined type that a record cannot restore;"
                f" save {remedy}"
            )
        if isinstance(value, Enum):
            return user_types.ENUM, [kind, value.name, value.value]
        return user_types.NAMEDTUPLE, [kind, *([name, entry] for name, entry in value._asdict().items())]

    def _pack_mapping(self, value: dict, key_path: str, depth: int) -> Any:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {
                _check_text(key, key_path): self.pack(entry, f"{key_path}/{key}", depth) for key, entry in value.items()
            }
        pairs = [
            [self.pack(key, f"{key_path} (a key)", depth), self.pack(entry, f"{key_path}/{key}", depth)]
            for key, entry in value.items()
        ]
        return {"$map": pairs}

    def _pack_numbers(self, value: Any, key_path: str) -> Any:
        import numpy as np
        import torch

        if isinstance(value, torch.Tensor):
            tensor = whole_tensor(value, key_path)
            if _is_storable(tensor):
                return {"$tensor": self._store(tensor)}
        if type(value) in (np.ndarray, np.memmap):
            with contextlib.suppress(TypeError, ValueError):  # torch does not have the dtype
                tensor = torch.from_numpy(np.array(value, order="C"))
                if _is_storable(tensor):
                    return {"$array": self._store(tensor)}
        raise ConfigError(
            f"checkpoint entry {key_path} is a {_describe(value)}; a checkpoint supports dense tensors, arrays,"
            " numbers, strings, None, lists, tuples, dicts, and objects whose state_dict consists of these"
            f"{_remedy(value)}"
        )

    def _store(self, tensor: torch.Tensor) -> str:
        tensor = _materialize(tensor)
        # An empty tensor has no memory, so its address does not identify it.
        identity = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()) if tensor.numel() else (object(),)
        if identity not in self._keys:
            key = f"{self._prefix}.{len(self.tensors)}"
            self._keys[identity] = key
            self.tensors[key] = tensor
        return self._keys[identity]


def _check_depth(key_path: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ConfigError(
            f"checkpoint entry {key_path[:80]}... is nested in more than {_MAX_DEPTH} lists, tuples and dicts;"
            " use fewer levels, and no list or dict that contains itself"
        )


def _check_text(text: str, key_path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"checkpoint entry {key_path} contains {text!r}, which is not valid Unicode") from None
    return text


def _remedy(value: Any) -> str:
    """Return a hint that explains how to convert a value to its built-in base type.

    The hint is empty if there is no such type.
    """
    base = next((base for base in (dict, list, tuple, set, str, int, float) if isinstance(value, base)), None)
    return "" if base is None else f"; convert it with {base.__name__}(...)"


def _describe(value: Any) -> str:
    return f"{type(value).__name__} of {value.dtype}" if hasattr(value, "dtype") else type(value).__name__


def _is_storable(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is dense, has values, and has a dtype supported by safetensors."""
    import torch

    is_dense = tensor.layout == torch.strided and not (tensor.is_nested or tensor.is_meta)
    return is_dense and _has_format(tensor.dtype)


@functools.cache
def _has_format(dtype: torch.dtype) -> bool:
    import torch

    _require_safetensors()
    from safetensors.torch import save

    try:
        save({"x": torch.zeros(1).to(dtype)})
    except Exception:  # unsupported dtypes raise various errors
        return False
    return True


def _require_safetensors() -> None:
    """Check that the safetensors library is installed.

    Raises:
        MissingExtra: The library is not installed.
    """
    try:
        import safetensors.torch  # noqa: F401 - imported on the calling thread, which can report an error, unlike the writing thread
    except ImportError:
        raise MissingExtra("safetensors", "torch", "saving a checkpoint") from None


def _materialize(tensor: torch.Tensor) -> torch.Tensor:
    """Return a detached tensor with lazy conjugation and negation resolved."""
    return tensor.detach().resolve_conj().resolve_neg()


class Unpacker:
    """Converter from the results of `Packer.pack` to state."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], types: Mapping[str, type] | None = None) -> None:
        """Create a converter.

        Args:
            types: Enums and namedtuples defined by the user that may occur, by name.
        """
        self.lost: set[str] = set()
        """Names of user-defined types that are missing from `types`. Enum members of these types are returned as their
        values, and namedtuples as tuples."""
        self._tensors = tensors
        self._types = types or {}

    def unpack(self, value: Any) -> Any:
        """Return the state that was packed as `value`.

        Raises:
            KeyError, TypeError, ValueError: The JSON refers to a missing tensor or has an unexpected form.
        """
        if isinstance(value, list):
            return [self.unpack(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        mark = next(iter(value)) if len(value) == 1 else None
        match mark:
            case "$tensor":
                return self._tensors[value[mark]]
            case "$array":
                return self._tensors[value[mark]].numpy()
            case "$float":
                return NAMED_NUMBERS[value[mark]]
            case "$int":
                return int(value[mark], 16)
            case "$map":
                return {self.unpack(key): self.unpack(entry) for key, entry in value[mark]}
            case user_types.ENUM | user_types.NAMEDTUPLE:
                return self._user_value(mark, self._list(value[mark]))
            case _ if mark in BY_MARK:
                return BY_MARK[mark].build(self._list(value[mark]))
            case _:
                return {key: self.unpack(entry) for key, entry in value.items()}

    def _list(self, value: Any) -> list[Any]:
        if not isinstance(value, list):  # a stored range is small, but its entries could fill the memory
            raise TypeError(f"{type(value).__name__} instead of a list")
        return self.unpack(value)

    def _user_value(self, mark: str, parts: list[Any]) -> Any:
        build = user_types.build_member if mark == user_types.ENUM else user_types.build_namedtuple
        value, has_type = build(self._types, *parts)
        if not has_type:
            self.lost.add(parts[0])
        return value


def check_tensors(tensors: Mapping[str, Any]) -> None:
    """Check that tensors can be stored in a safetensors file.

    Raises:
        ConfigError: A value is not a tensor, has no values yet, or has an unsupported dtype.
        MissingExtra: The safetensors library is not installed.
    """
    _require_safetensors()
    import torch

    for key, tensor in tensors.items():
        if torch.nn.parameter.is_lazy(tensor):
            raise ConfigError(
                f"checkpoint entry {key} has no values yet (a lazy module); run the model on a batch before it is saved"
            )
        if not isinstance(tensor, torch.Tensor) or not _is_storable(tensor):
            raise ConfigError(
                f"checkpoint entry {key} is a {_describe(tensor)}; a module's state must contain dense tensors"
            )


def host_copies(
    tensors: Mapping[str, torch.Tensor], spare: Mapping[str, torch.Tensor] | None = None
) -> dict[str, torch.Tensor]:
    """Return contiguous copies in host memory that are independent of the originals, for any device and layout.

    Args:
        spare: Earlier copies that are no longer needed. A copy with the same shape and dtype is overwritten. This is
            several times faster than allocating memory.
    """
    return {key: _host_copy(tensor, (spare or {}).get(key)) for key, tensor in tensors.items()}


def _host_copy(tensor: torch.Tensor, spare: torch.Tensor | None) -> torch.Tensor:
    import torch

    tensor = _materialize(tensor)
    if spare is not None and (spare.shape, spare.dtype) == (tensor.shape, tensor.dtype):
        return spare.copy_(tensor)
    if tensor.device.type == "cpu":
        return tensor.clone(memory_format=torch.contiguous_format)
    return tensor.cpu().contiguous()


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write the results of `host_copies` to a safetensors file.

    Raises:
        OSError: The file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(dict(tensors), path)
    except SafetensorError as error:  # the library also raises this error if the disk is full
        raise OSError(str(error)) from None
    # The library makes the file readable only by its owner, but files of a record get the permissions of their folder.
    path.chmod(path.parent.stat().st_mode & 0o666)


class StoredTensor(NamedTuple):
    """Description of a tensor in the header of its file."""

    shape: tuple[int, ...]
    dtype: str
    """Name of the dtype in the file, such as `F32`."""


def read_tensor_headers(path: Path, shown: object = None) -> dict[str, StoredTensor]:
    """Return the shape and dtype of each tensor in a safetensors file without reading the tensors.

    Args:
        shown: Name of the file in error messages. Default: `path`.
    Raises:
        DamagedFile: The file is not a complete safetensors file, or a tensor extends beyond the end of the file.
    """
    with _translated_errors(path, shown or path):
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 - it is not iterable
        return {key: StoredTensor(tuple(entry.get_shape()), entry.get_dtype()) for key, entry in slices.items()}


def read_tensors(path: Path, shown: object = None) -> dict[str, torch.Tensor]:
    """Read all tensors of a safetensors file to the CPU.

    Args:
        shown: Name of the file in error messages. Default: `path`.
    Raises:
        DamagedFile: The file is not a complete safetensors file. If it is a pickle, the message lists the names that
            the pickle would import.
    """
    with _translated_errors(path, shown or path):
        from safetensors.torch import load_file

        return load_file(path)


@contextlib.contextmanager
def _translated_errors(path: Path, shown: object) -> Iterator[None]:
    """Convert errors of the safetensors library to errors of runfolio."""
    try:
        from safetensors import SafetensorError
    except ImportError:
        raise MissingExtra("safetensors", "torch", "reading a checkpoint") from None
    try:
        yield
    except FileNotFoundError:
        raise DamagedFile(f"{shown} is missing") from None
    except (SafetensorError, OSError, KeyError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        # This is checked only after an error, because a safetensors file may start with the same bytes as a pickle.
        if reason := unsafe_format(path):
            message = f"{shown} is {reason}; runfolio reads tensors from safetensors files only"
            raise DamagedFile(message) from None
        raise DamagedFile(f"{shown} is not a complete safetensors file ({error})") from None


def unsafe_format(path: Path) -> str | None:
    """Return the type of a file that may execute code when loaded, or None for other files. The file is not loaded."""
    import zipfile

    try:
        with path.open("rb") as file:
            start = file.read(2)
        if start == b"PK":
            with zipfile.ZipFile(path) as archive:
                pickles = [name for name in archive.namelist() if name.endswith(".pkl")]
                if not pickles:
                    return "a zip archive"
                with archive.open(pickles[0]) as file:
                    return f"a torch.save archive{_describe_imports(file.read(_PICKLE_SCAN_BYTES))}"
        if start[:1] == b"\x80" and b"\x02" <= start[1:2] <= b"\x05":
            with path.open("rb") as file:
                return f"a pickle{_describe_imports(file.read(_PICKLE_SCAN_BYTES))}"
    except Exception:  # a malicious archive may cause any error while it is read
        return None
    return None


_PICKLE_SCAN_BYTES = 1 << 20
"""Maximum number of bytes to read from a pickle. A small archive may unpack to more data than the memory can hold."""


def _describe_imports(data: bytes) -> str:
    """Describe the imports of a pickle as part of a sentence. The opcodes of the pickle are only read, not executed."""
    import pickletools

    strings: list[str] = []
    imports: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "GLOBAL":
                imports.append(str(argument).replace(" ", "."))
            elif opcode.name == "STACK_GLOBAL":
                imports.append(".".join(strings[-2:]))
            elif isinstance(argument, str):
                strings.append(argument)
    except Exception:  # noqa: S110 - a malicious pickle may cause any error in the opcode reader
        pass
    return f" that would import {', '.join(dict.fromkeys(imports))}" if imports else ""
