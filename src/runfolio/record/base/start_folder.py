"""Folder in which a program was started. Relative paths of stores start at this folder."""

from __future__ import annotations

import sys
from operator import attrgetter
from pathlib import Path


def hydra_setting(name: str) -> str | None:
    """Return the value of one of Hydra's own settings for the current job. `name` is the dotted name of the setting.

    Return None if there is no job or the setting has no value. Also return None if this version of Hydra does not have
    the setting.
    """
    module = sys.modules.get("hydra.core.hydra_config")
    try:
        value = None if module is None else attrgetter(name)(module.HydraConfig.get())
    except Exception:  # Hydra and OmegaConf may raise any error
        return None
    return None if value is None else str(value)


def start_folder() -> Path:
    """Return the current folder. If Hydra changed it to the output folder of a job (`job.chdir`), return the folder
    before this change."""
    output_folder, folder = hydra_setting("runtime.output_dir"), hydra_setting("runtime.cwd")
    if output_folder is not None and folder is not None and Path(output_folder) == Path.cwd():
        return Path(folder)
    return Path()
