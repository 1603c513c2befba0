"""Parse command lines into flags and their values, and override individual values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from runfolio.reproduce.deviation import Deviation

_NUMBER = re.compile(r"-[\d.]+(e[-+]?\d+)?\Z", re.IGNORECASE)


class _Group(NamedTuple):
    """Flag with its values, which are the words up to the next flag. The first group has no flag."""

    flag: str
    values: list[str]
    joined: bool
    """True for `--flag=value`."""

    def words(self) -> list[str]:
        if self.joined:
            return [f"{self.flag}={self.values[0]}", *self.values[1:]]
        return [*([self.flag] if self.flag else []), *self.values]


def merge_arguments(recorded: Sequence[str], overrides: Sequence[str]) -> tuple[list[str], list[Deviation]]:
    """Override recorded arguments. Return the new arguments, and the deviations from the record.

    If a recorded flag is given again with n values, these values replace the first n recorded values. The remaining
    recorded values are kept, because they may be positional arguments. Flags that were not recorded are appended.
    """
    groups, changed = _groups(recorded), list[Deviation]()
    for new in _groups(overrides):
        if not new.words():
            continue
        old = next((group for group in reversed(groups) if new.flag and group.flag == new.flag), None)
        if old is None:
            groups.append(new)
            changed.append(Deviation("flag", new.flag or "arguments", None, " ".join(new.values) or "given"))
            continue
        replaced = old.values[: len(new.values)]
        if replaced != new.values:
            changed.append(Deviation("flag", new.flag, " ".join(replaced) or None, " ".join(new.values)))
        groups[groups.index(old)] = _Group(old.flag, [*new.values, *old.values[len(new.values) :]], new.joined)
    return [word for group in groups for word in group.words()], changed


def without_flag(arguments: Sequence[str], flag: str) -> list[str]:
    """Return the arguments without `flag`, which takes one value."""
    groups = [
        _Group("", group.values[1:], joined=False) if group.flag == flag else group for group in _groups(arguments)
    ]
    return [word for group in groups for word in group.words()]


def _groups(arguments: Sequence[str]) -> list[_Group]:
    groups = [_Group("", [], joined=False)]
    for word in arguments:
        if word.startswith("-") and len(word) > 1 and not _NUMBER.match(word):
            flag, equals, value = word.partition("=")
            groups.append(_Group(flag, [value] if equals else [], bool(equals)))
        else:
            groups[-1].values.append(word)
    return groups
