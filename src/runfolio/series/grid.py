"""From a series to its runs: every combination of the grid, each with checked settings and a fingerprint."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runfolio.errors import ConfigError, did_you_mean
from runfolio.series.spec import Series
from runfolio.settings import Field, Located, Settings, build, fields_of


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One run of a series."""

    settings: Settings
    varied: Mapping[str, Any]
    """What sets this run apart from the others of its series, by key."""
    fingerprint: str

    @property
    def label(self) -> str:
        return "  ".join(f"{key} {_short(value)}" for key, value in self.varied.items()) or "one run"


def expand(series: Series, settings: type[Settings]) -> list[Planned]:
    """All runs of a series, every one of them checked.

    They come in the order of the file: the first key of the grid changes slowest, values in the order they are given. Who
    lists cheap values first sees results first.

    Raises:
        ConfigError: A key or value that the target's settings do not allow; with its line where it has one.
    """
    fields = {field.key: field for field in fields_of(settings)}
    rows = {key: _row(key, entry, fields) for key, entry in series.grid.items()}
    planned = []
    for values in itertools.product(*rows.values()):
        varied = dict(zip(rows, values, strict=True))
        checked = build(settings, {**series.settings, **varied})
        planned.append(
            Planned(settings=checked, varied=varied, fingerprint=fingerprint(series.target.value, checked))
        )
    return planned


def fingerprint(target: str, settings: Settings) -> str:
    """What tells one experiment from another: SHA-256 over the target's name and all its settings."""
    canonical = json.dumps(
        {"settings": settings.as_dict(), "target": target}, sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _row(key: str, entry: Located, fields: Mapping[str, Field]) -> list[Any]:
    """The values of one key of the grid, converted."""
    prefix = f"{entry.where}: " if entry.where else ""
    if key not in fields:
        raise ConfigError(f"{prefix}unknown setting {key!r}; {did_you_mean(key, fields)}")
    values: list[Any] = []
    for raw in entry.value:
        try:
            value = fields[key].convert(raw)
        except ConfigError as error:
            raise ConfigError(f"{prefix}{error}") from None
        if value in values:
            raise ConfigError(f"{prefix}{key} has {raw!r} twice; give each value once")
        values.append(value)
    return values


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
