"""Settings of a run in texts and YAML files next to its event files. No text is executed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

HPARAMS_FILES = ("hparams.yaml", "hparams.yml")
"""Files in which PyTorch Lightning stores the hyperparameters of a run."""
_MOST_BYTES = 4 << 20
_MOST_ALIASES = 100
"""Maximum number of YAML aliases. A few bytes with many nested aliases could describe a huge structure."""
_MOST_DEPTH = 50
_MAIN = ("args", "hparams", "hyperparameters", "hyper_parameters", "config", "configuration", "params", "parameters",
         "settings", "flags", "options", "training_args", "arguments")  # fmt: skip
"""Names of texts whose settings are those of the run."""
_OTHERS = ("model_config", "data_config", "optimizer_config", "train_config", "training_config")
"""Names of texts whose settings are stored under the name of the text."""
_FENCE = re.compile(r"\s*(?:```\w*\s*|<pre>)(.*?)(?:```|</pre>)\s*", re.DOTALL)
_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*\|\s*:?-+:?\s*\|?\s*")


def settings_of_text(tag: str, text: str) -> dict[str, Any]:
    """Return the settings in a text. Return an empty dict if the name is not a usual name of settings, or if the text
    is neither a JSON object nor a Markdown table with two columns.

    Args:
        tag: Name of the text, such as `args`.
    """
    name = tag.rpartition("/")[2].lower()
    if name not in _MAIN + _OTHERS or len(text) > _MOST_BYTES:
        return {}
    fence = _FENCE.fullmatch(text)
    values = _json_object(fence[1] if fence else text) or _markdown_table(text)
    return {name: values} if values and name in _OTHERS else values


def settings_of_folder(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the settings in the YAML files of a folder, and a description of each file that cannot be read.

    YAML nodes that are tagged as Python objects are read as lists, mappings or strings. No object is created.
    """
    settings: dict[str, Any] = {}
    problems: list[str] = []
    for name in HPARAMS_FILES:
        path = folder / name
        try:
            if not path.is_file():
                continue
            if path.stat().st_size > _MOST_BYTES:
                problems.append(f"{name} has more than {_MOST_BYTES:,} bytes and is not read")
                continue
            settings |= _yaml_object(path.read_text("utf-8", "backslashreplace"))
        except (OSError, ValueError) as error:
            problems.append(f"{name} cannot be read ({str(error).partition(chr(10))[0]})")
    return settings, problems


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) and not _is_deep(value) else {}


def _markdown_table(text: str) -> dict[str, Any]:
    """Return the rows of a Markdown table such as `|param|value|`, as written by many reinforcement learning
    scripts."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if len(lines) < 3 or not _RULE.fullmatch(lines[1]):
        return {}
    settings: dict[str, Any] = {}
    for line in lines[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|", 1)]
        if len(cells) != 2 or not cells[0]:
            return {}
        settings[cells[0].strip("`*")] = _plain(cells[1].strip("`"))
    return settings


def _plain(text: str) -> Any:
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


def _yaml_object(text: str) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ValueError: The file is not valid YAML or not a mapping, or its structure is too large.
    """
    import yaml

    if sum(1 for token in _tokens(text) if isinstance(token, yaml.AliasToken)) > _MOST_ALIASES:
        raise ValueError(f"it has more than {_MOST_ALIASES} aliases")
    loader = _plain_loader()(text)
    try:
        value = loader.get_single_data()
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise ValueError(str(error)) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("it is not a mapping")
    if _is_deep(value):
        raise ValueError("it is nested too deeply")
    return {str(key): entry for key, entry in value.items()}


def _tokens(text: str) -> list[Any]:
    import yaml

    try:
        return list(yaml.scan(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _plain_loader() -> Any:
    import yaml

    class PlainLoader(yaml.SafeLoader):
        """Safe loader that reads tagged nodes, such as `!!python/tuple`, as plain lists, mappings and strings."""

    def plain(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return loader.construct_scalar(node) or suffix
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        assert isinstance(node, yaml.MappingNode)
        return loader.construct_mapping(node, deep=True)

    PlainLoader.add_multi_constructor("", plain)
    return PlainLoader


def _is_deep(value: Any, depth: int = 0) -> bool:
    if depth > _MOST_DEPTH:
        return True
    if isinstance(value, dict):
        return any(_is_deep(entry, depth + 1) for entry in value.values())
    return isinstance(value, list) and any(_is_deep(entry, depth + 1) for entry in value)
