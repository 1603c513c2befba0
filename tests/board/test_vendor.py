"""Tests that the web app's libraries are unchanged published files, with their origin and licence."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import runfolio.board

VENDOR = Path(runfolio.board.__file__).parent / "web/vendor"
PACKAGES = json.loads((VENDOR / "VENDOR.json").read_text())
PERMISSIVE = {"MIT", "Apache-2.0", "OFL-1.1"}


def test_every_vendored_file_is_listed_with_its_hash() -> None:
    listed = {entry["file"]: entry["sha256"] for package in PACKAGES for entry in package["files"]}
    files = {path.name: path for path in VENDOR.iterdir() if path.is_file() and path.name != "VENDOR.json"}

    assert listed == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def test_every_library_has_version_origin_and_licence() -> None:
    for package in PACKAGES:
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
        assert package["url"] == f"https://www.npmjs.com/package/{package['name']}/v/{package['version']}"
        assert package["licence"] in PERMISSIVE
        assert "opyright" in (VENDOR / package["licence_file"]).read_text()


def test_every_licence_belongs_to_a_library() -> None:
    licences = {f"LICENSES/{path.name}" for path in (VENDOR / "LICENSES").iterdir()}

    assert licences == {package["licence_file"] for package in PACKAGES}
