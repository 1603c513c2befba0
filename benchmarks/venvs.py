"""Virtual environments of the peers in `.bench/`, one per peer. Each environment is created on first use."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"

PINS: dict[str, list[str]] = {
    "summarywriter": ["torch==2.13.0", "tensorboard==2.21.0"],
    "tensorboardx": ["tensorboardX==2.6.5", "tensorboard==2.21.0"],  # TensorBoard reads the event files of tensorboardX
    "mlflow": ["mlflow==3.17.2"],
    "aim": ["aim==3.29.1"],
    "wandb": ["wandb==0.31.0"],
    "trackio": ["trackio==0.43.0"],
    "dvclive": ["dvclive==3.49.1"],
    "encodings": ["msgpack==1.2.4"],
    "suites": [  # what the tests of other writers import
        "boto3==1.44.8",
        "expecttest==0.3.0",
        "moto==4.2.14",
        "moviepy==2.2.1",
        "onnx==1.23.2",
        "soundfile==0.14.0",
    ],
}
"""Packages that pip installs, keyed by environment. Only this table contains the versions of the peers."""


_ADDRESS = re.compile(r"[a-z]+://\S+|host='[^']*'")
"""Pattern of the addresses of package sources, which are private and removed from messages."""


class InstallError(Exception):
    """Raised if pip could not create an environment. The message is pip's last error."""


def python(environment: str | None) -> Path:
    """Return the interpreter of an environment, and create the environment if necessary. None stands for the current
    environment.

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
    """Return the folder of installed packages of an environment, and create the environment if necessary.

    Raises:
        InstallError: pip failed.
    """
    (folder,) = python(environment).parent.parent.glob("lib/python*/site-packages")
    return folder


def _pip(command: list[str]) -> None:
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        lines = process.stderr.strip().splitlines() or [f"exit status {process.returncode}"]
        last = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])
        raise InstallError(_ADDRESS.sub("...", last))
