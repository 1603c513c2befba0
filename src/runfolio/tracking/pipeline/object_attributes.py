"""Functions that read types and attributes of objects in a stable form. Equal objects have the same form in every
process."""

from __future__ import annotations

import contextlib
import functools
import re
import sys
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
_TEXT_PACKAGES = sys.stdlib_module_names | {"numpy", "torch"}
"""Packages whose objects have a useful string form. Creating the string does not run user code."""
_ARRAY_PACKAGES = ("jax", "jaxlib", "tensorflow", "cupy")
_FUNCTIONS = (
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodWrapperType, types.WrapperDescriptorType),
    *(types.MethodDescriptorType, types.ClassMethodDescriptorType, type(functools.cache(len))),
)


def type_name(value: Any) -> str:
    """Return the full name of a type or function, `module.qualname`. The main script is named after its file."""
    qualname = getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or type(value).__qualname__
    module = getattr(value, "__module__", None) or type(getattr(value, "__self__", value)).__module__
    if module in ("__main__", "__mp_main__"):  # a process spawned by multiprocessing uses `__mp_main__`
        main = sys.modules["__main__"]
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        module = spec.name if spec is not None else Path(file).stem if file else module
    return str(qualname) if module == "builtins" else f"{module}.{qualname}"


def is_instance(value: Any, package: str, kind: str) -> bool:
    """Return whether a value is an instance of a package's class `kind`. Return False if the package is not
    imported."""
    base = getattr(sys.modules.get(package), kind, None)
    return base is not None and issubclass(type(value), base)


def generator_state(value: Any) -> Any:
    """Return the state of a random generator of Python, NumPy or torch. Return None for any other value."""
    if is_instance(value, "random", "Random"):
        with contextlib.suppress(NotImplementedError):  # raised by `SystemRandom`
            return value.getstate()
    if is_instance(value, "torch", "Generator"):
        return [str(value.device), value.get_state()]
    if is_instance(value, "numpy.random", "Generator"):
        return value.bit_generator.state
    if is_instance(value, "numpy.random", "BitGenerator"):
        return value.state
    return value.get_state(legacy=False) if is_instance(value, "numpy.random", "RandomState") else None


def is_function(kind: type) -> bool:
    """Return whether values of a type are functions whose names can be read without running user code."""
    return issubclass(kind, _FUNCTIONS) or (kind.__module__, kind.__name__) == ("numpy", "ufunc")


def is_array(value: Any) -> bool:
    """Return whether a value is an array, a tensor or a scalar of an array library."""
    if is_instance(value, "numpy", "ndarray") or is_instance(value, "numpy", "generic"):
        return True
    return is_instance(value, "torch", "Tensor") or (
        _package(type(value)) in _ARRAY_PACKAGES and hasattr(value, "dtype")
    )


def plain_array(value: Any) -> Any:
    """Convert an array to a NumPy array or a dense tensor."""
    if is_instance(value, "torch", "Tensor"):
        return value.detach().to_dense()
    if _package(type(value)) != "numpy" and not is_instance(value, "numpy", "ndarray"):
        import numpy as np

        return np.asarray(value)
    return value


def own_attributes(value: Any) -> dict[str, Any]:
    """Return the attributes of an object by name, without calling its `__getattr__`."""
    try:
        return dict(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        return {}


def present_attributes(value: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return the attributes in `names` that are set on an object."""
    attributes: dict[str, Any] = {}
    for name in names:
        with contextlib.suppress(AttributeError):
            attributes[name] = object.__getattribute__(value, name)
    return attributes


def attributes_of(value: Any) -> Mapping[str, Any]:
    """Return the attributes of an object by name. For a network, return dtype and shape of each weight instead of its
    values."""
    if _package(type(value)) == "pandas" and hasattr(value, "to_dict"):
        frame = value if hasattr(value, "columns") else value.to_frame()
        return frame.to_dict("split")
    if (torch := sys.modules.get("torch")) is not None and issubclass(type(value), torch.nn.Module):
        return _module_attributes(value)
    if issubclass(type(value), functools.partial):
        return {"func": value.func, "args": value.args, "keywords": value.keywords}
    attributes = own_attributes(value)
    if not attributes and own_text(value) is not None:
        return {}
    slots = [name for kind in type(value).__mro__ for name in _slots(kind)]
    return attributes | present_attributes(value, slots)


def _module_attributes(module: Any) -> Mapping[str, Any]:
    attributes = own_attributes(module)
    plain = {name: value for name, value in attributes.items() if not name.startswith("_")}
    weights = {name: _weight_text(tensor) for name, tensor in attributes.get("_parameters", {}).items()}
    return {**plain, **weights, **attributes.get("_buffers", {}), **attributes.get("_modules", {})}


def _weight_text(tensor: Any) -> str | None:
    if tensor is None:
        return None
    try:
        return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
    except RuntimeError:  # a lazy module raises this error
        return "uninitialized"


def _slots(kind: type) -> Iterable[str]:
    slots = vars(kind).get("__slots__", ())
    return (name for name in ([slots] if isinstance(slots, str) else slots) if name not in ("__dict__", "__weakref__"))


def own_text(value: Any) -> str | None:
    """Return the string form of an object of the standard library, NumPy or torch.

    Return None for other objects. Also return None if the type has no string form, or if the string contains a memory
    address.
    """
    kind = type(value)
    if _package(kind) not in _TEXT_PACKAGES or kind.__repr__ is object.__repr__:
        return None
    text = str(value)
    return None if _ADDRESS.search(text) else text


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def closure_values(function: Any) -> list[Any]:
    """Return the values of the outer variables that a local function uses."""
    values: list[Any] = []
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # a variable without a value raises this error
            values.append(cell.cell_contents)
    return values


def code_content(value: Any) -> Any:
    """Return the content of a code object in a form without memory addresses."""
    if isinstance(value, types.CodeType):
        return [value.co_code.hex(), value.co_names, [code_content(constant) for constant in value.co_consts]]
    if isinstance(value, frozenset):
        return sorted(map(repr, value))
    return [code_content(entry) for entry in value] if isinstance(value, tuple) else repr(value)
