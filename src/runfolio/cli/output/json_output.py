"""Conversion of values to JSON, and printing of JSON on stdout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from runfolio.cli.output.console import print_for_program
from runfolio.record.base.files import number_to_json
from runfolio.record.base.visible_text import HIDDEN_CHARACTER


def print_json(value: Any) -> None:
    """Print a value as indented JSON. Terminal control characters are printed as JSON escape sequences."""
    text = json.dumps(to_json_value(value), indent=2, ensure_ascii=False)
    print_for_program(HIDDEN_CHARACTER.sub(lambda match: json.dumps(match[0])[1:-1], text) + "\n")


def to_json_value(value: Any) -> Any:
    """Convert a value to JSON types. JSON cannot represent NaN and infinities, so they become strings such as "NaN"."""
    if isinstance(value, float):
        return number_to_json(value)
    if hasattr(value, "_asdict"):  # the value is a NamedTuple
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(key): to_json_value(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_value(entry) for entry in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
