"""Recording of a run's code: the script, the user's modules, uncommitted changes and untracked files, up to size
limits."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from runfolio.record.base.redaction import redact_text
from runfolio.record.content import code
from runfolio.record.content.code import Code, OmittedFile, SourceFile
from runfolio.tracking.environment import git, program

FILE_BYTES = 1_000_000
FILES = 1_000
ALL_BYTES = 20_000_000
MOST_OMITTED = 1_000
"""Maximum number of omitted files that are listed. Additional files are only counted."""

_BINARY_SUFFIXES = {
    *(".bin", ".bmp", ".bz2", ".ckpt", ".gif", ".gz", ".h5", ".hdf5", ".ico", ".jpeg", ".jpg", ".mp3", ".mp4", ".npy"),
    *(".npz", ".onnx", ".parquet", ".pdf", ".pickle", ".pkl", ".png", ".pt", ".pth", ".pyc", ".safetensors", ".so"),
    *(".tar", ".tif", ".tiff", ".wav", ".webp", ".whl", ".zip", ".zst"),
}
_SECRET_FILES = (".env", ".env.*", ".netrc", ".npmrc", ".pgpass", ".pypirc", "*.key", "*.p12", "*.pem", "*.pfx", "id_*")
"""Names of files that usually contain secrets. These files are not recorded."""


class Sources:
    """Recorded code of a run. This class is not thread-safe."""

    def __init__(self, folder: Path, writer: str, root: Path, repository: git.Repository | None) -> None:
        """Create an empty record.

        Args:
            folder: Folder of the run.
            root: Base folder for relative paths: the repository, or else the script's folder.
        """
        self._folder = folder
        self._writer = writer
        self._repository = repository
        self._code = Code(os.fspath(root))
        self._root = os.path.join(self._code.root, "")  # noqa: PTH118 - compared as a string thousands of times
        self._visited: set[str] = set()
        """Paths of files that were recorded or omitted."""
        self._modules = 0
        """Number of loaded modules at the last check."""
        self._executed = b""
        """Text of the notebook cells at the last recording."""
        self._cells: SourceFile | None = None
        self._bytes = 0
        self._unwritten = False
        """True if the list of files in the run's folder does not contain all recorded files."""
        self._unnamed = 0
        """Number of omitted files that are not listed."""

    def begin(self, script: str | None) -> None:
        """Record the script, the loaded modules, the uncommitted changes and the untracked files.

        Raises:
            OSError: The store cannot be written.
        """
        if script is not None:
            self._keep(script, "script")
        self._keep_modules()
        self._write()
        if self._repository is not None:
            self._keep_diff(self._repository)
            self._keep_untracked(self._repository)
        self._keep_cells()
        self._write()

    def update(self) -> None:
        """Record modules that were imported, and notebook cells that were executed, since the last call.

        Raises:
            OSError: The store cannot be written.
        """
        self._keep_modules()
        self._keep_cells()
        if self._unwritten:
            self._write()

    def _write(self) -> None:
        summary = [OmittedFile("", None, f"and {self._unnamed} more files")] if self._unnamed else []
        replace(self._code, left_out=self._code.left_out + summary).write(self._folder, self._writer)
        self._unwritten = False

    def _keep_diff(self, repository: git.Repository) -> None:
        if not repository.dirty or repository.commit is None:
            return
        diff = git.diff(repository.root)
        if diff is None:
            reason = f"git took too long, or the diff is larger than {git.DIFF_BYTES:,} bytes"
            self._omit("the uncommitted diff", None, reason)
        elif diff:
            stored = _redact(diff)
            self._code.diff, self._code.diff_bytes = code.save_content(self._folder, stored), len(stored)

    def _keep_modules(self) -> None:
        if self._modules == len(sys.modules):
            return
        loaded = len(sys.modules)
        for path in program.own_modules():
            if self._is_below_root(path):
                self._keep(path, "module")
        self._modules = loaded

    def _is_below_root(self, path: str) -> bool:
        return path.startswith(self._root) or os.path.realpath(path).startswith(self._root)

    def _keep_untracked(self, repository: git.Repository) -> None:
        """Record untracked files. Before the first commit, also record staged files. Files in the store, the folder of
        all runs, are skipped."""
        store = os.path.join(os.path.realpath(self._folder.parents[1]), "")  # noqa: PTH118 - compared as text
        for name in git.untracked_files(repository.root, staged=repository.commit is None):
            path = os.path.join(repository.root, name)  # noqa: PTH118 - as above, thousands of times
            if path.startswith(store):
                continue
            if len(self._code.files) < FILES or len(self._code.left_out) < MOST_OMITTED:
                self._keep(path, "untracked")
            else:  # git may not ignore a folder with thousands of images
                self._unnamed += 1

    def _keep(self, path: str, why: str) -> None:
        if path in self._visited:
            return
        size, reason = self._omission_reason(path, why)
        content = b""
        if reason is None:
            try:
                content = Path(path).read_bytes()
            except OSError as error:
                reason = error.strerror or "cannot be read"
        if b"\0" in content:
            reason = "not text"
        if reason is None:
            self._add(self._name(path), content, why)
        else:
            self._omit(self._name(path), size, reason)
        self._visited.add(path)

    def _add(self, name: str, content: bytes, why: str) -> SourceFile:
        stored = _redact(content)
        source = SourceFile(name, code.save_content(self._folder, stored), len(stored), why)
        self._bytes += len(stored)
        self._code.files.append(source)
        self._unwritten = True
        return source

    def _omission_reason(self, path: str, why: str) -> tuple[int | None, str | None]:
        """Return the size of a file and the reason for omitting the file. The reason is None if the file must be
        recorded."""
        try:
            status = os.stat(path)  # noqa: PTH116 - there may be thousands
        except OSError:
            return None, "deleted"
        name = Path(path)
        reasons = {
            "a link": why == "untracked" and name.is_symlink(),
            "not a regular file": not stat.S_ISREG(status.st_mode),
            "may hold secrets": any(fnmatch(name.name, pattern) for pattern in _SECRET_FILES),
            "not text": name.suffix.lower() in _BINARY_SUFFIXES,
            f"larger than {FILE_BYTES:,} bytes": status.st_size > FILE_BYTES,
            f"more than {FILES:,} files": len(self._code.files) >= FILES,
            f"more than {ALL_BYTES:,} bytes in total": self._bytes + status.st_size > ALL_BYTES,
        }
        return status.st_size, next((reason for reason, holds in reasons.items() if holds), None)

    def _omit(self, name: str, size: int | None, why: str) -> None:
        self._unwritten = True
        if len(self._code.left_out) < MOST_OMITTED:
            self._code.left_out.append(OmittedFile(name, size, why))
        else:
            self._unnamed += 1

    def _name(self, path: str) -> str:
        """Return `path` relative to the root, or unchanged if it is not below the root."""
        candidates = [candidate for candidate in (path, os.path.realpath(path)) if candidate.startswith(self._root)]
        return candidates[0].removeprefix(self._root) if candidates else path

    def _keep_cells(self) -> None:
        """Record the executed cells of a notebook, and remove the previous recording."""
        cells = _executed_cells()
        if not cells or cells == self._executed or len(cells) > FILE_BYTES:
            return
        before, self._cells = self._cells, self._add("notebook.py", cells, "notebook")
        self._executed = cells
        if before is not None:
            self._code.files.remove(before)
            self._bytes -= before.bytes
            self._write()
            # Secrets are removed, so the stored content may be the same although the cells differ.
            if before.sha256 != self._cells.sha256:
                code.delete_content(self._folder, before.sha256)


def _executed_cells() -> bytes:
    """Return the cells that were executed in IPython or Jupyter. Return an empty result in other programs."""
    ipython: Any = sys.modules.get("IPython")
    try:
        shell = ipython.get_ipython()
        cells = shell.user_ns.get("In", [])
    except Exception:  # IPython is missing, or a different object has that name
        return b""
    return "".join(f"# In [{number}]\n{cell}\n\n" for number, cell in enumerate(cells) if cell).encode(errors="replace")


def _redact(content: bytes) -> bytes:
    return redact_text(content.decode(errors="surrogateescape")).encode(errors="surrogateescape")
