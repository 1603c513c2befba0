"""Hook that watches a module of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class ModelHook:
    """Hook of a module. In a copy of the model (such as averaged weights) or in a saved model, the hook does
    nothing."""

    def __init__(self, act: Callable[..., None] | None = None) -> None:
        self._act = act

    def __call__(self, *arguments: Any) -> None:
        if self._act is not None:
            self._act(*arguments)

    def __reduce__(self) -> tuple[type[ModelHook], tuple[()]]:
        return ModelHook, ()
