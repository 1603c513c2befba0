"""Settings of a run together with their default values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runfolio.query.run_view import RunView
from runfolio.record.base.flat_names import flatten, identity


@dataclass(frozen=True)
class Setting:
    """Setting of a run."""

    name: str
    """Flat name, such as `optimizer/lr`."""
    value: Any
    has_default: bool
    default: Any
    """Declared default value. It is None if `has_default` is False."""

    @property
    def is_changed(self) -> bool:
        """True if the value differs from the default, or if no default is known."""
        return not self.has_default or identity(self.value) != identity(self.default)


def recorded_settings(run: RunView) -> list[Setting]:
    """Return the settings of a run in the order in which they were recorded."""
    defaults = flatten(run.document.defaults)
    return [Setting(name, value, name in defaults, defaults.get(name)) for name, value in run.flat_config.items()]
