"""Writer of the files that record which process writes to a run, and how the run ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from runfolio.record.base import disk
from runfolio.record.base.layout import ALIVE, MEDIA, MEDIA_FILES, METRICS
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import RunDocument
from runfolio.record.liveness import claims
from runfolio.record.liveness.heartbeats import PRIMARY, End, Heartbeat
from runfolio.tracking.pipeline.background_log import log


class RunLifecycle:
    """Writer of the claim, the heartbeat and the run document of this process.

    An attempt is one execution of the training script. A claim is a file that only one process can create for each
    attempt. The heartbeat is a file that this process updates periodically. The run document is the content of
    `run.json`."""

    def __init__(self, folder: Path, document: RunDocument, heartbeat: Heartbeat, *, sync: bool) -> None:
        self.is_primary = heartbeat.role == PRIMARY
        """False if this process has joined the run. Another process then writes `run.json`, and merges the files with
        the points at the end."""
        self.is_known_superseded = False
        """True if an earlier call of `is_superseded` returned True."""
        self._folder = folder
        self._document = document
        self._heartbeat = heartbeat
        self._sync = sync
        self._document_changed = False

    def mark_changed(self) -> None:
        """Mark the document as changed, so that the next write saves the document. Any thread may call this method."""
        self._document_changed = True

    def create_files(self) -> None:
        """Create the folders and the heartbeat file. In the primary process, which opens the attempt, also create the
        claim and the run document.

        Raises:
            OSError: The store cannot be written.
            AttemptTaken: Another process has already opened the attempt.
        """
        # Parent folders are not created, because a run must not be created again if it was deleted or its disk is
        # missing.
        for parts in ((ALIVE,), (METRICS,), (MEDIA,), (MEDIA, MEDIA_FILES)):
            RecordPath(self._folder, *parts).mkdir()
        self.write_heartbeat()
        if self.is_primary:
            self._open_attempt()

    def reserve_space(self) -> None:
        """Reserve disk space for the files that are written at the run's end."""
        disk.reserve(self._folder, self._heartbeat.writer)

    def release_space(self) -> None:
        disk.release(self._folder, self._heartbeat.writer)

    def is_superseded(self) -> bool:
        """Return whether another process has opened the next attempt. If so, this process records nothing more.

        The first call that returns True also logs an error.
        """
        if (
            not self.is_known_superseded
            and (claim := claims.read(self._folder, self._heartbeat.attempt + 1)) is not None
        ):
            self.is_known_superseded = True
            log.error(
                "run %s was taken over by process %d on %s; this process (%d) records nothing more, but its"
                " earlier points remain readable and training continues",
                self._document.id,
                claim.pid,
                claim.host,
                os.getpid(),
            )
        return self.is_known_superseded

    def beat(self) -> bool:
        """Write the next heartbeat and return True. Return False if another process has opened the next attempt. The
        heartbeat then states that this process has stopped recording."""
        if self.is_superseded():
            if self._heartbeat.end is None:
                self._heartbeat.end = "interrupted"
                self.write_heartbeat()
            return False
        self._heartbeat.beat += 1
        self.write_heartbeat()
        return True

    def write_heartbeat(self) -> None:
        self._heartbeat.write(self._folder)

    def save_changes(self) -> None:
        """Save the document if it was changed since the last save."""
        if self._document_changed and self.is_primary and not self.is_superseded():
            self._document_changed = False
            try:
                # A power failure must not leave an incomplete file, because readers would then not find the run.
                self._save(sync=True)
            except BaseException:
                self._document_changed = True
                raise

    def add_trouble(self, text: str) -> None:
        status = self._document.status
        status.trouble = f"{status.trouble}; {text}" if status.trouble else text

    def save_end(self) -> None:
        """Save the document with the run's end."""
        if self.is_primary and not self.is_known_superseded:
            self._save(sync=True)

    def end_heartbeat(self) -> None:
        """Write the last heartbeat, which states that this process has stopped writing."""
        state = cast("End", self._document.status.state)
        self._heartbeat.end = "interrupted" if self.is_known_superseded else state
        self.write_heartbeat()

    def _open_attempt(self) -> None:
        try:
            claims.acquire(self._folder, self._heartbeat)
        except claims.AttemptTaken:
            self._heartbeat.remove(self._folder)
            raise
        self._save(sync=self._sync or len(self._document.attempts) > 1)

    def _save(self, *, sync: bool) -> None:
        self._document.without_secrets().write(self._folder, sync=sync)
