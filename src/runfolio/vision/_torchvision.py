"""Import of torchvision that works with any build of torch.

torchvision 0.28 registers details of its operators `nms` and `qnms` at import. If its compiled extension cannot be
loaded, the import fails with "operator torchvision::nms does not exist". This happens, for example, if torchvision is a
CUDA build and torch is not. Transforms, data sets and models do not need these operators, so this module declares them
if they are missing.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def _declare_missing_operators() -> torch.library.Library | None:
    """Declare missing operators. Return the library that keeps the declarations alive, or None if no operator is
    missing."""
    if "torchvision" in sys.modules or _extension_loads():
        return None
    missing = [schema for name, schema in _SCHEMAS.items() if not hasattr(torch.ops.torchvision, name)]
    if not missing:
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in missing:
        library.define(schema)
    return library


def _extension_loads() -> bool:
    # torchvision loads its extension library again when it is imported. The second load has no effect.
    package = importlib.util.find_spec("torchvision")
    if package is None or not package.submodule_search_locations:
        return False
    loaders = (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES)
    extension = importlib.machinery.FileFinder(package.submodule_search_locations[0], loaders).find_spec("_C")
    if extension is None or extension.origin is None:
        return False
    try:
        torch.ops.load_library(extension.origin)
    except OSError:
        return False
    return True


_declarations = _declare_missing_operators()

from torchvision import datasets, models, transforms  # noqa: E402 - the operators must be declared first
from torchvision.transforms import v2  # noqa: E402

__all__ = ["datasets", "models", "transforms", "v2"]
