"""From a series to its runs: every combination of the grid, each with checked settings and a fingerprint."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runfolio.errors import ConfigError, did_you_mean
from runfolio.series.spec import Series
from runfolio.settings import Field, LocatedValue, Settings, build, fields_of


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run of a series."""

    settings: Settings
    varied: Mapping[str, Any]
    """What sets this run apart from the others of its series, by key."""
    fingerprint: str

    @property
    def label(self) -> str:
        return _label(self.varied) or "one run"


def expand(series: Series, settings: type[Settings]) -> list[PlannedRun]:
    """All runs of a series, every one of them checked.

    They come in the order of the file: the first key of the grid changes slowest. Who lists cheap values first
    sees results first.

    Raises:
        ConfigError: A key or value that the target's settings do not allow; with its line where it has one.
    """
    fields = {field.key: field for field in fields_of(settings)}
    constant = {key: _convert_values(key, entry, [entry.value], fields)[0] for key, entry in series.settings.items()}
    rows = {key: _convert_values(key, entry, entry.value, fields) for key, entry in series.grid.items()}
    planned = []
    for values in itertools.product(*rows.values()):
        varied = dict(zip(rows, values, strict=True))
        try:
            run_settings = build(settings, {**constant, **varied})
        except ConfigError as error:  # each value is allowed, but not together with the others
            raise ConfigError(f"{error} (in the run with {_label(varied)})" if varied else str(error)) from None
        run_fingerprint = fingerprint(series.target.value, run_settings)
        planned.append(PlannedRun(settings=run_settings, varied=varied, fingerprint=run_fingerprint))
    return planned


def fingerprint(target: str, settings: Settings) -> str:
    """What tells one experiment from another: SHA-256 over the target's name and the identity of its settings."""
    canonical = json.dumps({"settings": settings.identity(), "target": target}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _convert_values(key: str, entry: LocatedValue, raws: Sequence[Any], fields: Mapping[str, Field]) -> list[Any]:
    """The values of one key, each of them allowed and none of them twice."""
    prefix = f"{entry.location}: " if entry.location else ""
    if key not in fields:
        raise ConfigError(f"{prefix}unknown setting {key!r}; {did_you_mean(key, fields)}")
    values: list[Any] = []
    for raw in raws:
        try:
            value = fields[key].convert(raw)
        except ConfigError as error:
            raise ConfigError(f"{prefix}{error}") from None
        if value in values:
            raise ConfigError(f"{prefix}{key} has {raw!r} twice; give each value once")
        values.append(value)
    return values


def _label(varied: Mapping[str, Any]) -> str:
    return "  ".join(f"{key} {_short(value)}" for key, value in varied.items())


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
