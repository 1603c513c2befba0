"""Definition of a series in a YAML file, in flags with several values, or in both. Flags override the settings in the
file.

series: digits
target: my_project.training:target     # optional
settings: {data: digits, lr: 1e-3}     # the same for all runs
grid:                                  # one run per combination
  model: [tinyvgg, mlp]
  epochs: [5, 10]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runfolio.errors import ConfigError, did_you_mean
from runfolio.settings import Field, LocatedValue, Settings, fields_of, read_yaml

SEED, FOLD = "seed", "fold"
_KEYS = ("series", "target", "settings", "grid")


@dataclass(frozen=True, kw_only=True)
class Series:
    """Definition of a series. `grid.expand` checks the definition against the settings class of the target."""

    name: str
    target: LocatedValue
    """Name of the target to import, as `module:attribute`."""
    settings: Mapping[str, LocatedValue]
    """Settings that all runs share, by key. Keys are spelled with `-`, as in flags."""
    grid: Mapping[str, LocatedValue]
    """List of values for each key that varies between the runs."""

    def with_flags(self, flags: Mapping[str, Sequence[str]]) -> Series:
        """Return a copy of the series in which the values of flags replace earlier values.

        A flag with one value becomes a setting of all runs, and a flag with several values becomes a key of the grid.
        """
        settings = {key: entry for key, entry in self.settings.items() if key not in flags}
        grid = {key: entry for key, entry in self.grid.items() if key not in flags}
        for key, values in flags.items():
            if len(values) == 1:
                settings[key] = LocatedValue(values[0], "")
            else:
                grid[key] = LocatedValue(list(values), "")
        return dataclasses.replace(self, settings=settings, grid=grid)

    def with_seeds(self, count: int, settings: type[Settings]) -> Series:
        """Return the series with each combination repeated for `count` consecutive seeds.

        Raises:
            ConfigError: The target has no setting `seed`, or the grid already contains several seeds.
        """
        field = self._check_repeatable(SEED, "seeds", count, settings)
        first = field.convert(self.settings[SEED].value if SEED in self.settings else field.default)
        return self._with_row(SEED, list(range(first, first + count)))

    def with_folds(self, count: int, settings: type[Settings]) -> Series:
        """Return the series with each combination cross-validated over `count` folds.

        Raises:
            ConfigError: The target has no setting `fold`, or the series already sets it.
        """
        self._check_repeatable(FOLD, "folds", count, settings)
        if (fold := self.settings.get(FOLD)) is not None and fold.value is not None:
            raise ConfigError(f"the series sets fold to {fold.value}; remove this setting to run all {count} folds")
        return self._with_row(FOLD, [f"{number}/{count}" for number in range(1, count + 1)])

    def _check_repeatable(self, key: str, plural: str, count: int, settings: type[Settings]) -> Field:
        field = next((field for field in fields_of(settings) if field.key == key), None)
        if field is None:
            raise ConfigError(f"{self.target.value} has no setting {key!r}, so it cannot be repeated over {plural}")
        if key in self.grid:
            raise ConfigError(f"the series already has several {plural}; remove them or omit --{plural} {count}")
        return field

    def _with_row(self, key: str, values: list[Any]) -> Series:
        settings = {name: entry for name, entry in self.settings.items() if name != key}
        return dataclasses.replace(self, settings=settings, grid={**self.grid, key: LocatedValue(values, "")})


def read_series(path: Path, *, default_target: str) -> Series:
    """Read the definition of a series. The default name of the series is the file name without its suffix.

    Raises:
        ConfigError: The file does not have the form shown at the top of this module. The message names the line.
    """
    content = read_yaml(path)
    for key, entry in content.items():
        if key not in _KEYS:
            raise ConfigError(f"{entry.location}: unknown key {key!r}; {did_you_mean(key, _KEYS)}")
    settings = _section(content, "settings")
    grid = _section(content, "grid")
    for key, entry in grid.items():
        _check_values(key, entry)
        if key in settings:
            raise ConfigError(
                f"{entry.location}: {key!r} is both in grid and in settings ({settings[key].location}); remove one"
            )
    return Series(
        name=_text(content, "series", path.stem).value,
        target=_text(content, "target", default_target),
        settings=settings,
        grid=grid,
    )


def _text(content: Mapping[str, LocatedValue], key: str, default: str) -> LocatedValue:
    entry = content.get(key, LocatedValue(default, ""))
    if not isinstance(entry.value, str) or not entry.value.strip():
        raise ConfigError(f"{entry.location}: {key!r} is {entry.value!r}; it must be a non-empty string")
    return entry


def _section(content: Mapping[str, LocatedValue], name: str) -> dict[str, LocatedValue]:
    """Return the entries of `settings` or `grid`, with `-` instead of `_` in their keys."""
    section = content.get(name, LocatedValue({}, ""))
    if section.value is None:
        return {}
    if not isinstance(section.value, Mapping):
        raise ConfigError(f"{section.location}: {name!r} must contain `key: value` lines")
    entries: dict[str, LocatedValue] = {}
    for key, entry in section.value.items():
        spelled = key.replace("_", "-")
        if spelled in entries:
            raise ConfigError(f"{entry.location}: {spelled!r} is given twice")
        entries[spelled] = entry
    return entries


def _check_values(key: str, entry: LocatedValue) -> None:
    values: Any = entry.value
    if not isinstance(values, list):
        raise ConfigError(
            f"{entry.location}: {key!r} in grid is {values!r}; it must be a list, such as [{values}] "
            "(a value that is the same for all runs belongs in settings)"
        )
    if not values:
        raise ConfigError(f"{entry.location}: {key!r} in grid is an empty list; add values or remove the key")
