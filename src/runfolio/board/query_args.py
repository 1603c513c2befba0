"""Decoder for the query string of a request, with limits on its values. Unknown and repeated parameters are refused."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import TypeVar
from urllib.parse import unquote_plus

from starlette.requests import Request

from runfolio.board.replies import RefusedRequest

Choice = TypeVar("Choice", bound=str)
MAX_RUNS = 1_000
"""Maximum number of runs that one request can name."""
_LONGEST = 10_000
"""Maximum number of characters in one value."""
_KEY = re.compile(r"[0-9a-f]{16}")


class QueryArgs:
    """Parameters of one request.

    Args:
        request: Request whose query is decoded.
        known: Names of the parameters that the route accepts.

    Raises:
        RefusedRequest: A parameter is unknown, occurs twice, is not UTF-8, or is too long.
    """

    def __init__(self, request: Request, known: Collection[str]) -> None:
        self._raw: dict[str, str] = {}
        for part in request.scope["query_string"].decode("latin-1").split("&"):
            if not part:
                continue
            name, _, value = part.partition("=")
            name = _decoded(name, "the query")
            if name not in known:
                raise RefusedRequest(400, f"unknown parameter {name[:80]!r}", allowed=sorted(known))
            if name in self._raw:
                raise RefusedRequest(400, f"the parameter {name} is given twice", "give it once")
            if len(value) > _LONGEST * (6 if name in ("runs", "columns", "metrics", "where") else 1):
                raise RefusedRequest(400, f"the parameter {name} is longer than {_LONGEST:,} characters")
            self._raw[name] = value

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    def text(self, name: str, default: str | None = None) -> str | None:
        """Return the string in a parameter. An empty string counts as absent."""
        return _decoded(self._raw.get(name, ""), name) or default

    def flag(self, name: str) -> bool:
        """Return whether a switch is on (`1` or `true`). A switch is off if it is `0`, `false` or absent."""
        return self.choice(name, ("", "0", "1", "false", "true"), "") in ("1", "true")

    def choice(self, name: str, allowed: Collection[Choice], default: Choice) -> Choice:
        """Return the value of a parameter, which must be one of `allowed`."""
        value = _decoded(self._raw[name], name) if name in self._raw else default
        for choice in allowed:
            if choice == value:
                return choice
        raise RefusedRequest(400, f"{name} cannot be {value[:80]!r}", allowed=[text for text in allowed if text])

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Return the integer in a parameter, which must be from `low` to `high`."""
        return int(self.number(name, default, low, high, whole=True))  # type: ignore[arg-type]

    def number(
        self, name: str, default: float | None, low: float = -math.inf, high: float = math.inf, *, whole: bool = False
    ) -> float | None:
        """Return the finite number in a parameter, which must be from `low` to `high`."""
        text = self.text(name)
        if text is None:
            return default
        try:
            value = int(text) if whole and len(text) < 20 else float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and low <= value <= high) or (whole and not isinstance(value, int)):
            kind = "an integer" if whole else "a number"
            bounds = f" from {low:,} to {high:,}" if math.isfinite(low) and math.isfinite(high) else ""
            raise RefusedRequest(400, f"{name} must be {kind}{bounds}, not {text[:40]!r}")
        return value

    def pair(self, name: str) -> tuple[float | None, float | None]:
        """Return two finite numbers that are separated by a comma. Either number may be left out."""
        texts = (self.text(name) or ",").split(",")
        try:
            low, high = (float(text) if text else None for text in texts)
        except ValueError:
            low = math.nan
            high = None
        if not all(number is None or math.isfinite(number) for number in (low, high)):
            raise RefusedRequest(400, f"{name} must be two numbers separated by a comma, not {','.join(texts)[:40]!r}")
        return low, high

    def names(self, name: str, most: int = 1_000) -> list[str]:
        """Return the parts of a list, which are separated by commas. A comma within a part is encoded as `%2C`."""
        parts = [_decoded(part, name) for part in self._raw.get(name, "").split(",") if part]
        if len(parts) > most:
            raise RefusedRequest(400, f"{name} has {len(parts):,} parts", f"at most {most:,} are allowed")
        return parts

    def keys(self, name: str = "runs") -> list[int]:
        """Return the run keys in a parameter, without duplicates."""
        return list(dict.fromkeys(key_of(part) for part in self.names(name, MAX_RUNS)))


def key_of(text: str) -> int:
    """Return the key of a run in the index, given as 16 hexadecimal digits.

    Raises:
        RefusedRequest: The text is not a key.
    """
    if not isinstance(text, str) or _KEY.fullmatch(text) is None or int(text, 16) >= 2**63:
        raise RefusedRequest(404, f"there is no run {str(text)[:40]!r}", "the key of a run has 16 hexadecimal digits")
    return int(text, 16)


def key_text(key: int) -> str:
    """Return the key of a run in the index as 16 hexadecimal digits."""
    return f"{key:016x}"


def _decoded(text: str, name: str) -> str:
    try:
        value = unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise RefusedRequest(400, f"{name} is not UTF-8") from None
    if "\0" in value:
        raise RefusedRequest(400, f"{name} contains a NUL character")
    return value
