"""Checking a run folder, file by file, and mending what can be (`docs/format.md`, Damaged files).

`check` looks, `mend` repairs; neither follows a link, and a run of a newer format is left untouched.
"""

from __future__ import annotations

from runfolio.record.checkup.check import Checkup, check
from runfolio.record.checkup.findings import Finding, Severity
from runfolio.record.checkup.folders import find_folders
from runfolio.record.checkup.mend import mend

__all__ = ["Checkup", "Finding", "Severity", "check", "find_folders", "mend"]
