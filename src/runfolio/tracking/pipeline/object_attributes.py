"""Objects as their names and attributes: the same in every process that makes an equal object."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")


def type_name(value: Any) -> str:
    """Return the full name of a type or function: `module.qualname`; the script is named by its file."""
    qualname = getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or type(value).__qualname__
    module = getattr(value, "__module__", None) or type(getattr(value, "__self__", value)).__module__
    if module == "__main__":
        main = sys.modules["__main__"]
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        module = spec.name if spec is not None else Path(file).stem if file else module
    return str(qualname) if module == "builtins" else f"{module}.{qualname}"


def attributes_of(value: Any) -> Mapping[str, Any]:
    """Return the attributes of an object by name; of a network without the values of its weights."""
    if is_pandas(value) and hasattr(value, "to_dict"):
        frame = value if hasattr(value, "columns") else value.to_frame()
        return frame.to_dict("split")
    if _is_module(value):
        return _module_attributes(value)
    if type(value).__module__ == "functools" and hasattr(value, "func"):
        return {"func": value.func, "args": value.args, "keywords": value.keywords}
    attributes = dict(getattr(value, "__dict__", ()))
    if not attributes and own_text(value) is not None:
        return {}
    slots = (name for kind in type(value).__mro__ for name in _slots(kind) if hasattr(value, name))
    return attributes | {name: getattr(value, name) for name in slots}


def _is_module(value: Any) -> bool:
    torch: Any = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _module_attributes(module: Any) -> Mapping[str, Any]:
    plain = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    weights = {name: _weight_text(tensor) for name, tensor in module._parameters.items()}
    return {**plain, **weights, **module._buffers, **module._modules}


def _weight_text(tensor: Any) -> str | None:
    if tensor is None:
        return None
    try:
        return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
    except RuntimeError:  # of a lazy module
        return "uninitialized"


def _slots(kind: type) -> Iterable[str]:
    slots = vars(kind).get("__slots__", ())
    return (name for name in ([slots] if isinstance(slots, str) else slots) if name not in ("__dict__", "__weakref__"))


def own_text(value: Any) -> str | None:
    """Return the text of an object whose type defines one; None if it has none, or one with an address."""
    kind = type(value)
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
        return None
    try:
        text = str(value)
    except Exception:  # whatever somebody's own `__str__` raises
        return None
    return None if _ADDRESS.search(text) else text


def closure_values(function: Any) -> list[Any]:
    """Return the values of the outer variables that a local function uses."""
    values: list[Any] = []
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # a variable that has no value yet
            values.append(cell.cell_contents)
    return values


def code_content(value: Any) -> Any:
    """Return what a piece of code does, in a form without addresses."""
    if isinstance(value, CodeType):
        return [value.co_code.hex(), value.co_names, [code_content(constant) for constant in value.co_consts]]
    if isinstance(value, frozenset):
        return sorted(map(repr, value))
    return [code_content(entry) for entry in value] if isinstance(value, tuple) else repr(value)


def is_pandas(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas"
