"""Decoder for the JSON body of a request, with limits on its values. Requests with unknown fields are refused."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import anyio
import orjson
from starlette.requests import Request

from runfolio.board.query_args import MAX_RUNS, key_of
from runfolio.board.replies import RefusedRequest

_BODY_S = 10.0
"""Maximum number of seconds until the body of a request has arrived."""


class Body:
    """Fields of a JSON object.

    Args:
        content: Decoded JSON.
        known: Names of the fields that the route accepts.

    Raises:
        RefusedRequest: The content is not an object, or it has an unknown field.
    """

    def __init__(self, content: Any, known: Collection[str]) -> None:
        if not isinstance(content, dict):
            raise RefusedRequest(400, "the content must be a JSON object", allowed=sorted(known))
        unknown = [name for name in content if name not in known]
        if unknown:
            raise RefusedRequest(400, f"unknown field {unknown[0][:80]!r}", allowed=sorted(known))
        self._fields: dict[str, Any] = content

    @classmethod
    async def of(cls, request: Request, known: Collection[str]) -> Body:
        """Read the body of a request."""
        try:
            with anyio.fail_after(_BODY_S):
                content = orjson.loads(await request.body())
        except TimeoutError:
            what = f"the body did not arrive within {_BODY_S:g} seconds"
            raise RefusedRequest(408, what, headers={"Connection": "close"}) from None
        except orjson.JSONDecodeError as error:
            raise RefusedRequest(400, f"the body is not valid JSON: {error.msg}"[:200]) from None
        return cls(content, known)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def fields(self, name: str, known: Collection[str]) -> Body:
        """Return the nested object in a field."""
        return Body(self._fields.get(name), known)

    def text(self, name: str) -> str:
        """Return the string in a field."""
        return self._typed(name, str, "a string")

    def flag(self, name: str) -> bool:
        """Return the boolean in a field."""
        return self._typed(name, bool, "true or false")

    def choice(self, name: str, allowed: Collection[str]) -> str:
        """Return the string in a field, which must be one of `allowed`."""
        value = self.text(name)
        if value not in allowed:
            raise RefusedRequest(400, f"{name} cannot be {value[:80]!r}", allowed=list(allowed))
        return value

    def texts(self, name: str) -> list[str]:
        """Return the list of strings in a field, or an empty list if the field is absent."""
        values = self._fields.get(name, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise RefusedRequest(400, f"{name} must be a list of strings")
        if len(values) > MAX_RUNS:
            raise RefusedRequest(400, f"{name} has {len(values):,} entries", f"at most {MAX_RUNS:,} are allowed")
        return values

    def keys(self, name: str = "runs") -> list[int]:
        """Return the run keys in a field, without duplicates. The field must contain at least one key."""
        keys = list(dict.fromkeys(key_of(text) for text in self.texts(name)))
        if not keys:
            raise RefusedRequest(400, f"{name} contains no run")
        return keys

    def _typed(self, name: str, kind: type, words: str) -> Any:
        value = self._fields.get(name)
        if not isinstance(value, kind):
            raise RefusedRequest(400, f"{name} must be {words}")
        return value
