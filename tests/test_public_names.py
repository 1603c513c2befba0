"""The public names of the package root."""

from __future__ import annotations

import importlib
import pkgutil

import runfolio

PUBLIC_NAMES = [
    "Ambiguous",
    "BatchOrder",
    "CheckpointPolicy",
    "ConfigError",
    "DamagedFile",
    "Folio",
    "Listing",
    "MissingExtra",
    "NewerFormat",
    "NotFound",
    "RecordedRun",
    "RecordingConfig",
    "Run",
    "RunfolioError",
    "StoreError",
    "SummaryWriter",
    "__version__",
    "create_writer",
    "current",
    "fork",
    "init",
    "log",
    "open",
    "open_board",
    "read_logdir",
    "resume",
    "seed_everything",
]


def test_public_names_are_these():
    assert sorted(runfolio.__all__) == PUBLIC_NAMES
    assert dir(runfolio) == PUBLIC_NAMES
    assert all(getattr(runfolio, name) is not None for name in PUBLIC_NAMES)


def test_no_public_name_is_the_name_of_a_module():
    modules = {module.name for module in pkgutil.iter_modules(runfolio.__path__)}
    assert "tracking" in modules
    assert modules.isdisjoint(PUBLIC_NAMES)


def test_importing_a_module_shadows_no_function():
    for name in ("init", "resume", "fork", "current"):
        importlib.import_module(f"runfolio.tracking.{name}")
        assert callable(getattr(runfolio, name))
