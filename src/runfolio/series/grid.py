"""Expansion of a series into runs: one run for each combination of values in the grid."""

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
    """Run of a series whose settings have been checked."""

    settings: Settings
    varied: Mapping[str, Any]
    """Settings that differ between the runs of the series, by key."""
    fingerprint: str
    """Digest that identifies the run in the store (see `fingerprint`)."""

    @property
    def label(self) -> str:
        return _label(self.varied) or "one run"


def expand(series: Series, settings: type[Settings]) -> list[PlannedRun]:
    """Check the settings of a series and return its runs.

    The runs follow the order of the file. The first key of the grid changes slowest.

    Raises:
        ConfigError: The target's settings do not allow a key or value. If the key or value comes from a file, the
            message names the line.
    """
    fields = {field.key: field for field in fields_of(settings)}
    constant = {key: _convert_values(key, entry, [entry.value], fields)[0] for key, entry in series.settings.items()}
    rows = {key: _convert_values(key, entry, entry.value, fields) for key, entry in series.grid.items()}
    planned = []
    for values in itertools.product(*rows.values()):
        varied = dict(zip(rows, values, strict=True))
        try:
            run_settings = build(settings, {**constant, **varied})
        except ConfigError as error:  # the combination is not allowed, although each value is
            raise ConfigError(f"{error} (in the run with {_label(varied)})" if varied else str(error)) from None
        run_fingerprint = fingerprint(series.target.value, run_settings)
        planned.append(PlannedRun(settings=run_settings, varied=varied, fingerprint=run_fingerprint))
    return planned


def fingerprint(target: str, settings: Settings) -> str:
    """Return the SHA-256 digest of the target's name and of the settings that identify a run."""
    canonical = json.dumps({"settings": settings.identity(), "target": target}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _convert_values(key: str, entry: LocatedValue, raws: Sequence[Any], fields: Mapping[str, Field]) -> list[Any]:
    """Convert and check the values of one key, which must not contain duplicates."""
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
            raise ConfigError(f"{prefix}{key} contains {raw!r} twice; give each value once")
        values.append(value)
    return values


def _label(varied: Mapping[str, Any]) -> str:
    return "  ".join(f"{key} {_short(value)}" for key, value in varied.items())


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
