"""Recording of a model's answers to the items of a data set (`run.log_answers`). A background thread ranks the answers
and compresses them into a file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runfolio.record.base.layout import answers_path

if TYPE_CHECKING:
    from runfolio.record.content.answer_table import AnswerTable


class AnswerLog:
    """Recorder that writes the answers of one attempt (one execution of the script) to the folder `answers/`.

    The training thread calls `add`, separate threads call `pack`, and the store thread calls `save`.
    """

    def __init__(self, folder: Path, attempt: int, report: Callable[[str, Exception], None]) -> None:
        """Create a recorder.

        Args:
            report: Function that is called with the split and the error if the answers cannot be compressed.
        """
        self._folder = folder
        self._attempt = attempt
        self._report = report
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[datetime, Callable[[], AnswerTable]]] = {}
        """Answers that are not compressed yet, keyed by split. Newer answers to a split replace older ones, which
        limits memory use."""
        self._packed: dict[str, bytes] = {}
        """Contents of the files to write, keyed by split."""

    def add(self, split: str, moment: datetime, table: Callable[[], AnswerTable]) -> None:
        """Add the answers to a split. `pack` compresses them later.

        Args:
            moment: Time of the call.
        """
        self._waiting[split] = moment, table

    def pack(self) -> None:
        """Compress all queued answers."""
        from runfolio.record.content.answer_files import AnswersHeader, pack

        with self._lock:  # the lock ensures that newer answers are compressed after older ones
            while self._waiting:
                split, (moment, make_table) = self._waiting.popitem()
                try:
                    table = make_table()
                    header = AnswersHeader(moment, None if table.classes is None else list(table.classes))
                    self._packed[split] = pack(header, table)
                except Exception as error:  # a user's function may raise any error
                    self._report(split, error)

    def save(self) -> None:
        """Write the compressed answers to the record.

        Raises:
            OSError: The store cannot be written. The caller must try again later.
        """
        while self._packed:
            split, content = self._packed.popitem()
            path = answers_path(self._folder, split, self._attempt)
            try:
                path.parent.mkdir()
                path.write_bytes(content, sync=True)
            except OSError:
                # Answers that were compressed in the meantime are newer, so they are not replaced.
                self._packed.setdefault(split, content)
                raise
