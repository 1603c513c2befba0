"""The folder that a program was started in, which relative paths of stores start from."""

from __future__ import annotations

import sys
from operator import attrgetter
from pathlib import Path


def hydra_setting(name: str) -> str | None:
    """Return one of Hydra's own settings for the job that this process runs, by its dotted name.

    None without a job, for settings that this version of Hydra does not have, and for those without a value.
    """
    module = sys.modules.get("hydra.core.hydra_config")
    try:
        value = None if module is None else attrgetter(name)(module.HydraConfig.get())
    except Exception:  # whatever Hydra and OmegaConf raise
        return None
    return None if value is None else str(value)


def start_folder() -> Path:
    """Return the folder that Hydra has left for the output folder of its job (`job.chdir`); else the current one."""
    output_folder, folder = hydra_setting("runtime.output_dir"), hydra_setting("runtime.cwd")
    if output_folder is not None and folder is not None and Path(output_folder) == Path.cwd():
        return Path(folder)
    return Path()
