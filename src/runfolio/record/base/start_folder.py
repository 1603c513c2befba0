"""Folder in which a program was started, which relative paths of stores refer to."""

from __future__ import annotations

import sys
from operator import attrgetter
from pathlib import Path


def hydra_setting(name: str) -> str | None:
    """Return one of Hydra's own settings for the current job, by its dotted name.

    Return None without a job, for settings that this version of Hydra lacks, and for settings without a value.
    """
    module = sys.modules.get("hydra.core.hydra_config")
    try:
        value = None if module is None else attrgetter(name)(module.HydraConfig.get())
    except Exception:  # any error of Hydra and OmegaConf
        return None
    return None if value is None else str(value)


def start_folder() -> Path:
    """Return the folder before Hydra changed to the output folder of its job (`job.chdir`); else the current one."""
    output_folder, folder = hydra_setting("runtime.output_dir"), hydra_setting("runtime.cwd")
    if output_folder is not None and folder is not None and Path(output_folder) == Path.cwd():
        return Path(folder)
    return Path()
