"""Record an evaluation after training. The evaluated run gets a file with the answers of the classifier, which are its
predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runfolio.record.base.layout import ANSWERS, answers_path, new_id, slug
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import now
from runfolio.record.content.answer_files import AnswersHeader, pack

if TYPE_CHECKING:
    from runfolio import RecordedRun
    from runfolio.vision.evaluation.evaluate import EvaluationResult

_DATA_NAME = 60
"""Maximum length, in characters, of a data set's name within the name of a split."""


def record_evaluation(run: RecordedRun, result: EvaluationResult, own_data: str | None) -> str:
    """Add the answers of an evaluation to a run, and return the name of their split. The run may be finished.

    The file name contains a new random id, so the file never replaces an existing file. If the run was trained on
    different data, the answers form a separate split, which is named after the evaluated data.

    Args:
        own_data: Name of the data that the run was trained on, or None if it is unknown.
    Raises:
        OSError: The store cannot be written, or the run no longer exists.
        ConfigError: The names of the classes are too long for a file.
    """
    split: str = result.split
    if own_data not in (None, result.data):
        split = slug(f"{slug(result.data)[-_DATA_NAME:]}-{result.split}")
    attempts = run.document.attempts
    content = pack(AnswersHeader(now(), list(result.classes), result.data), result.answers)
    RecordPath(run.folder, ANSWERS).mkdir()
    path = answers_path(run.folder, split, attempts[-1].attempt if attempts else 1, new_id())
    path.write_bytes(content, sync=True)
    return split
