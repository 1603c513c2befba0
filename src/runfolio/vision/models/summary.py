"""Summary of a network's layers, based on a forward pass with one image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

if TYPE_CHECKING:
    from rich.table import Table

_HEADINGS = ("layer", "type", "output", "parameters", "trainable")


class Layer(NamedTuple):
    """Module that has no submodules, or has its own parameters."""

    name: str
    type: str
    output_shape: tuple[int, ...]
    """Shape of the output for a batch of one image."""
    parameters: int
    trainable: int

    @property
    def cells(self) -> tuple[str, ...]:
        shape = "x".join(str(size) for size in self.output_shape)
        return self.name, self.type, shape, f"{self.parameters:,}", f"{self.trainable:,}"


@dataclass(frozen=True)
class Architecture:
    """Layers in the order of execution, and totals. Shared parameters count once in the totals."""

    layers: tuple[Layer, ...]
    parameters: int
    trainable_parameters: int
    size_mb: float
    """Size of parameters and buffers in megabytes (1,000,000 bytes)."""

    @property
    def totals(self) -> str:
        return f"{self.parameters:,} parameters, {self.trainable_parameters:,} trainable, {self.size_mb:.3g} MB"

    def as_text(self) -> str:
        """Return the layers as a plain-text table, followed by the totals."""
        rows = [_HEADINGS, *(layer.cells for layer in self.layers)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        lines = [
            "  ".join(
                cell.rjust(width) if column > 2 else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, "", self.totals])

    def table(self, title: str | None = None) -> Table:
        """Return the layers and totals as a table for a terminal."""
        from rich.table import Table

        table = Table(title=title, caption=self.totals)
        for column, heading in enumerate(_HEADINGS):
            table.add_column(heading, justify="right" if column > 2 else "left")
        for layer in self.layers:
            table.add_row(*layer.cells)
        return table


def architecture(model: nn.Module, image_shape: tuple[int, int, int]) -> Architecture:
    """Pass one blank image through a model, and return its layers.

    Args:
        model: Model to summarise.
        image_shape: (channels, height, width).
    """
    rows: list[Layer] = []
    hooks = [
        module.register_forward_hook(_layer_hook(name, rows))
        for name, module in model.named_modules()
        if not any(module.children()) or any(True for _ in module.parameters(recurse=False))
    ]
    was_training = model.training
    try:
        model.eval()
        with torch.no_grad():
            model(torch.zeros(1, *image_shape, device=_device_of(model)))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    parameters = list(model.parameters())
    return Architecture(
        layers=tuple(rows),
        parameters=_count(parameters),
        trainable_parameters=_count(p for p in parameters if p.requires_grad),
        size_mb=sum(t.numel() * t.element_size() for t in [*parameters, *model.buffers()]) / 1e6,
    )


def _layer_hook(name: str, rows: list[Layer]):
    def add_row(module: nn.Module, _inputs: object, output: object) -> None:
        parameters = list(module.parameters(recurse=False))
        shape = tuple(output.shape) if isinstance(output, torch.Tensor) else ()
        rows.append(
            Layer(
                name=name or type(module).__name__,
                type=type(module).__name__,
                output_shape=shape,
                parameters=_count(parameters),
                trainable=_count(p for p in parameters if p.requires_grad),
            )
        )

    return add_row


def _count(parameters: Iterable[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def _device_of(model: nn.Module) -> torch.device:
    first = next(model.parameters(), None)
    return first.device if first is not None else torch.device("cpu")
