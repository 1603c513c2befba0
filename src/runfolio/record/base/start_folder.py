"""The folder that a program was started in, which relative paths of stores start from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def hydra_config() -> Any:
    """Return Hydra's own settings for the job that this process runs; None without Hydra."""
    module = sys.modules.get("hydra.core.hydra_config")
    return module.HydraConfig.get() if module is not None and module.HydraConfig.initialized() else None


def start_folder() -> Path:
    """Return the folder that Hydra has left for the output folder of its job (`job.chdir`); else the current one."""
    config = hydra_config()
    if config is not None and Path(config.runtime.output_dir) == Path.cwd():
        return Path(config.runtime.cwd)
    return Path()
