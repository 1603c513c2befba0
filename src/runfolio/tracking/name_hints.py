"""Hints for users of other trackers: keyword arguments, functions and methods that have different names in runfolio."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

_Function = TypeVar("_Function", bound=Callable[..., Any])

RUN_NAMES: Mapping[str, str] = {
    "add_artifact": "run.artifact(path)",
    "add_scalar": 'run.log({"name": value}, step=step), or runfolio.create_writer() for the methods of SummaryWriter',
    "add_tag": 'run.tags.append("tag")',
    "alert": "run.log_text(name, text)",
    "close": "run.finish()",
    "end": "run.finish()",
    "end_run": "run.finish()",
    "log_artifact": "run.artifact(path)",
    "log_artifacts": "run.artifact(path)",
    "log_hyperparams": "run.config.update(...)",
    "log_metric": 'run.log({"name": value}, step=step)',
    "log_metrics": "run.log({...}, step=step)",
    "log_model": "run.checkpoint(model=model)",
    "log_param": 'run.config["name"] = value',
    "log_params": "run.config.update(...)",
    "save": "run.artifact(path) for a file, or run.checkpoint(model=model) for the state of training",
    "set_tag": 'run.tags.append("tag")',
    "stop": "run.finish()",
    "track": 'run.log({"name": value}, step=step)',
}
"""Replacements for methods that other trackers have and `Run` does not have."""

MODULE_NAMES: Mapping[str, str] = {
    "Api": "runfolio.open()",
    "Artifact": "runfolio.current().artifact(path)",
    "Audio": "runfolio.current().log_audio(name, audio)",
    "Histogram": "runfolio.current().log_histogram(name, values)",
    "Image": "runfolio.current().log_image(name, image)",
    "Object3D": "runfolio.current().log_mesh(name, vertices)",
    "Table": "runfolio.current().log_table(name, table)",
    "Video": "runfolio.current().log_video(name, frames)",
    "config": "runfolio.current().config",
    "define_metric": "runfolio.current().define_metric(...)",
    "end_run": "runfolio.current().finish()",
    "finish": "runfolio.current().finish()",
    "log_artifact": "runfolio.current().artifact(path)",
    "log_metric": 'runfolio.log({"name": value}, step=step)',
    "log_metrics": "runfolio.log({...}, step=step)",
    "log_param": "runfolio.init(config={...})",
    "log_params": "runfolio.init(config={...})",
    "login": "nothing, because runfolio needs no account",
    "run": "runfolio.current()",
    "save": "runfolio.current().artifact(path)",
    "set_experiment": "runfolio.init(experiment=...)",
    "set_tracking_uri": "runfolio.init(store=...)",
    "start_run": "runfolio.init(...)",
    "summary": "runfolio.current().summary",
    "sweep": "the command `runfolio series`",
    "watch": "runfolio.current().watch(model)",
}
"""Replacements for functions and classes that other trackers have and the package `runfolio` does not have."""


def hint_at(hints: Mapping[str, str]) -> Callable[[_Function], _Function]:
    """Make the TypeError for an unknown argument mention the correct name.

    Args:
        hints: Text that names the replacement for each unsupported argument, such as `store=...` for `dir`.
    """

    def decorate(function: _Function) -> _Function:
        @functools.wraps(function)
        def hinting(*args: Any, **kwargs: Any) -> Any:
            for name in kwargs:
                if name in hints:
                    raise TypeError(f"{function.__name__} has no argument {name!r}; use {hints[name]}")
            return function(*args, **kwargs)

        return cast("_Function", hinting)

    return decorate


def missing_name(owner: object, description: str, name: str, hints: Mapping[str, str]) -> AttributeError:
    """Return the error for an attribute that does not exist, with a hint if another tracker has this attribute.

    Args:
        owner: Object without the attribute. Python's message suggests similar attributes of this object.
        description: Description of the object, as Python would print it.
        name: Name of the attribute.
        hints: Replacements, keyed by name.
    """
    hint = f"; use {hints[name]}" if name in hints else ""
    return AttributeError(f"{description} has no attribute {name!r}{hint}", name=name, obj=owner)
