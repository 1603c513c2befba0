"""runfolio: the experiment tracker for PyTorch.

import runfolio

with runfolio.init(experiment="foodvision", config={"lr": 1e-3}) as run:
    for step in range(100):
        run.log({"train/loss": 1 / (step + 1)})

folio = runfolio.open()
print(folio.best("train/loss").metric("train/loss").values)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from runfolio._version import __version__

if TYPE_CHECKING:
    from runfolio.errors import (
        Ambiguous,
        ConfigError,
        DamagedFile,
        MissingExtra,
        NewerFormat,
        NotFound,
        RunfolioError,
        StoreError,
    )
    from runfolio.query.run import RecordedRun
    from runfolio.query.store import Folio
    from runfolio.query.store import open_folio as open  # noqa: A004 - runfolio.open is the name
    from runfolio.record.data import Listing
    from runfolio.record.keeping import CheckpointPolicy
    from runfolio.tracking.current import current, log
    from runfolio.tracking.opening import init
    from runfolio.tracking.order import BatchOrder
    from runfolio.tracking.run import Run
    from runfolio.tracking.seeding import seed_everything
    from runfolio.tracking.summary_writer import create_writer

# Where each public name lives. Loaded when first used: `import runfolio` costs next to nothing.
_HOMES = {
    "Ambiguous": "runfolio.errors",
    "BatchOrder": "runfolio.tracking.order",
    "CheckpointPolicy": "runfolio.record.keeping",
    "ConfigError": "runfolio.errors",
    "DamagedFile": "runfolio.errors",
    "Folio": "runfolio.query.store",
    "Listing": "runfolio.record.data",
    "MissingExtra": "runfolio.errors",
    "NewerFormat": "runfolio.errors",
    "NotFound": "runfolio.errors",
    "RecordedRun": "runfolio.query.run",
    "Run": "runfolio.tracking.run",
    "RunfolioError": "runfolio.errors",
    "StoreError": "runfolio.errors",
    "create_writer": "runfolio.tracking.summary_writer",
    "current": "runfolio.tracking.current",
    "init": "runfolio.tracking.opening",
    "log": "runfolio.tracking.current",
    "open": "runfolio.query.store:open_folio",
    "seed_everything": "runfolio.tracking.seeding",
}

__all__ = [
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
    "Run",
    "RunfolioError",
    "StoreError",
    "__version__",
    "create_writer",
    "current",
    "init",
    "log",
    "open",
    "seed_everything",
]


def __getattr__(name: str) -> Any:
    try:
        module, _, attribute = _HOMES[name].partition(":")
    except KeyError:
        raise AttributeError(f"module 'runfolio' has no attribute {name!r}") from None
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
