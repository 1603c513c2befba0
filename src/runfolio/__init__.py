"""runfolio: the experiment tracker for PyTorch.

import runfolio

with runfolio.init(experiment="foodvision", config={"lr": 1e-3}) as run:
    for step in range(100):
        run.log({"train/loss": 1 / (step + 1)})

folio = runfolio.open()
print(folio.best("train/loss").metric("train/loss").values)
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runfolio._version import __version__

if TYPE_CHECKING:
    from runfolio.board.opened_board import open_board
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
    from runfolio.record.checkpoints.retention import CheckpointPolicy
    from runfolio.record.content.data_listings import Listing
    from runfolio.tensorboard.logdir import read_logdir
    from runfolio.tensorboard.summary_writer import SummaryWriter, create_writer
    from runfolio.tracking.checkpointing.batch_order import BatchOrder
    from runfolio.tracking.checkpointing.seeding import seed_everything
    from runfolio.tracking.current import current, log
    from runfolio.tracking.fork import fork
    from runfolio.tracking.init import init
    from runfolio.tracking.recording_config import RecordingConfig
    from runfolio.tracking.resume import resume
    from runfolio.tracking.run import Run

# Module that defines each public name. Modules are imported on first use, so `import runfolio` is fast.
_HOMES = {
    "Ambiguous": "runfolio.errors",
    "BatchOrder": "runfolio.tracking.checkpointing.batch_order",
    "CheckpointPolicy": "runfolio.record.checkpoints.retention",
    "ConfigError": "runfolio.errors",
    "DamagedFile": "runfolio.errors",
    "Folio": "runfolio.query.store",
    "Listing": "runfolio.record.content.data_listings",
    "MissingExtra": "runfolio.errors",
    "NewerFormat": "runfolio.errors",
    "NotFound": "runfolio.errors",
    "RecordedRun": "runfolio.query.run",
    "RecordingConfig": "runfolio.tracking.recording_config",
    "Run": "runfolio.tracking.run",
    "RunfolioError": "runfolio.errors",
    "StoreError": "runfolio.errors",
    "SummaryWriter": "runfolio.tensorboard.summary_writer",
    "create_writer": "runfolio.tensorboard.summary_writer",
    "current": "runfolio.tracking.current",
    "fork": "runfolio.tracking.fork",
    "init": "runfolio.tracking.init",
    "log": "runfolio.tracking.current",
    "open": "runfolio.query.store:open_folio",
    "open_board": "runfolio.board.opened_board",
    "read_logdir": "runfolio.tensorboard.logdir",
    "resume": "runfolio.tracking.resume",
    "seed_everything": "runfolio.tracking.checkpointing.seeding",
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


def __getattr__(name: str) -> Any:
    try:
        module, _, attribute = _HOMES[name].partition(":")
    except KeyError:
        from runfolio.tracking.name_hints import MODULE_NAMES, missing_name

        raise missing_name(sys.modules[__name__], "module 'runfolio'", name, MODULE_NAMES) from None
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
