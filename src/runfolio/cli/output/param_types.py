"""Types for option values that click does not provide."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from runfolio.errors import ConfigError
from runfolio.record.base.layout import expand_home

_TIME_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class ByteSizeParamType(click.ParamType):
    """Number of bytes, such as `5GB`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from runfolio.vision.batches.cache_budget import parse_size

        try:
            return value if isinstance(value, int) else parse_size(value)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


class FigureSizeParamType(click.ParamType):
    """Width and height, such as `8x5`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        match = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)x(\d{1,3}(?:\.\d+)?)", str(value))
        if match is None or float(match[1]) < 1 or float(match[2]) < 1:
            self.fail(f"{value!r} must be WIDTHxHEIGHT, such as 8x5", param, ctx)
        return float(match[1]), float(match[2])


class PathParamType(click.Path):
    """Path in which `~` means the home folder. Shells do not expand `~` in `--out=~/figure.png`, but this type does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(expand_home(value), param, ctx)


class AgeParamType(click.ParamType):
    """Time since an event as a number and a unit, such as `30d`."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        match = re.fullmatch(r"(\d{1,6})([smhdw])", str(value))
        if match is None:
            self.fail(f"{value!r} must be a number followed by s, m, h, d or w, such as 12h or 30d", param, ctx)
        return timedelta(**{_TIME_UNITS[match[2]]: int(match[1])})


class KeepParamType(click.ParamType):
    """Rule for selecting the runs that keep their checkpoints, such as `best:3`."""

    name = "rule"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        match = re.fullmatch(r"(best|newest):(\d{1,6})", str(value))
        if match is None or int(match[2]) < 1:
            self.fail(f"{value!r} must be best:N or newest:N, such as best:3", param, ctx)
        return match[1], int(match[2])
