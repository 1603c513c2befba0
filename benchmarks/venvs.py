"""The peers' virtual environments: each has one of its own in `.bench/`, made by pip when it is first used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"

PINS: dict[str, list[str]] = {
    "summarywriter": ["torch==2.13.0", "tensorboard==2.21.0"],
    "tensorboardx": ["tensorboardX==2.6.5", "tensorboard==2.21.0"],  # TensorBoard reads what it wrote
    "mlflow": ["mlflow==3.17.2"],
    "aim": ["aim==3.29.1"],
    "wandb": ["wandb==0.31.0"],
    "trackio": ["trackio==0.43.0"],
    "dvclive": ["dvclive==3.49.1"],
    "encodings": ["msgpack==1.2.4"],
}
"""What pip installs, by environment. The versions of the peers are said here and nowhere else."""


_ADDRESS = re.compile(r"[a-z]+://\S+|host='[^']*'")
"""Where packages come from is nobody else's business."""


class InstallError(Exception):
    """pip could not make an environment; the message is pip's last word."""


def python(environment: str | None) -> Path:
    """The interpreter of an environment, which is made if need be; None is the one this runs in.

    Raises:
        InstallError: pip failed.
    """
    if environment is None:
        return Path(sys.executable)
    folder, pins = FOLDER / environment, PINS[environment]
    interpreter, ready = folder / "bin" / "python", folder / ".pins"
    if not ready.exists() or ready.read_text() != "\n".join(pins):
        ready.unlink(missing_ok=True)
        _pip([sys.executable, "-m", "venv", "--clear", str(folder)])
        _pip([str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins])
        ready.write_text("\n".join(pins))
    return interpreter


def packages(environment: str) -> Path:
    """Where what is installed in an environment lies, which is made if need be; raises as `python` does."""
    (folder,) = python(environment).parent.parent.glob("lib/python*/site-packages")
    return folder


def _pip(command: list[str]) -> None:
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        lines = process.stderr.strip().splitlines() or [f"exit status {process.returncode}"]
        last = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])
        raise InstallError(_ADDRESS.sub("...", last))
