"""Names of other trackers are answered with the name in runfolio."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import runfolio
from runfolio.tracking.name_hints import MODULE_NAMES, RUN_NAMES


@pytest.mark.parametrize(("given", "use"), [("project", "experiment="), ("fork", r"runfolio\.fork")])
def test_arguments_of_other_trackers_are_explained(store: Path, given: str, use: str):
    with pytest.raises(TypeError, match=f"init has no argument '{given}'; use {use}"):
        runfolio.init(store=store, **{given: "food"})  # pyright: ignore[reportArgumentType]
    assert not store.exists()


@pytest.mark.parametrize(
    ("name", "use"),
    [("finish", "runfolio.current().finish()"), ("log_artifact", "runfolio.current().artifact(path)")],
)
def test_functions_of_other_trackers_are_explained(name: str, use: str):
    with pytest.raises(AttributeError, match=re.escape(f"module 'runfolio' has no attribute '{name}'; use {use}")):
        getattr(runfolio, name)


def test_methods_of_other_trackers_are_explained(store: Path):
    with runfolio.init(store=store) as run:
        with pytest.raises(AttributeError, match=re.escape("no attribute 'log_artifact'; use run.artifact(path)")):
            run.log_artifact("model.pt")  # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(AttributeError, match=r"^'Run' object has no attribute 'other'$"):
            run.other  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]
        assert not hasattr(run, "finnish")


@pytest.mark.parametrize("names", [RUN_NAMES, MODULE_NAMES])
def test_hints_name_only_what_exists(names: Mapping[str, str], store: Path):
    with runfolio.init(store=store) as run:
        for name, hint in names.items():
            owner = run if names is RUN_NAMES else runfolio
            assert not hasattr(owner, name)
            for method in re.findall(r"run(?:folio\.current\(\))?\.(\w+)", hint):
                assert hasattr(run, method), hint
            for function in re.findall(r"runfolio\.(\w+)", hint):
                assert hasattr(runfolio, function), hint
