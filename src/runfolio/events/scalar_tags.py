"""Choice of the metrics and results that TensorBoard draws as charts, and of their tags.

TensorBoard sorts charts by tag. A run that draws `train/*` and `val/*` over its own x axis, such as a run of `runfolio
train`, has main metrics. In its event files, all other metrics are in the group `various`, which follows `train` and
`val`, and single values are in a table. The tags of other runs are the names of their metrics.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from runfolio.record.base.run_document import RunDocument
from runfolio.record.points.metric_summary import AXES, PER_PARAMETER, is_system_metric

_MAIN = ("train/", "val/")
_TEST = "test/"
_OTHERS = "various/"
_MOST_OTHERS = 10
"""Maximum number of charts of metrics that are not main metrics."""
MAIN_RESULTS = ("val/acc", "test/acc", "val/loss", "test/loss")
"""Results of a run with main metrics that are columns of the HParams tab, the most important one first."""


def has_main_metrics(document: RunDocument) -> bool:
    return {"train/*", "val/*"} <= {axis["metric"] for axis in document.axes}


def grouped_tag(document: RunDocument, name: str) -> str:
    """Return the tag of a metric, image or histogram. TensorBoard sorts these tags into groups on one page."""
    return f"{_OTHERS}{name}" if has_main_metrics(document) and not name.startswith(_MAIN) else name


def result_tag(document: RunDocument, key: str) -> str:
    return grouped_tag(document, f"summary/{key}")


def charted_results(document: RunDocument, keys: Collection[str]) -> Iterable[str]:
    """Return the keys of the summary that are drawn as charts. The other keys of a run with main metrics are in a
    table."""
    return [key for key in MAIN_RESULTS if key in keys] if has_main_metrics(document) else keys


class ScalarTags:
    """Tags of a run's metrics."""

    def __init__(self) -> None:
        self._others: set[str] = set()

    def tag(self, document: RunDocument, name: str, values: Mapping[str, float]) -> str | None:
        """Return the tag of a metric, or None if the metric has no chart.

        System metrics, and the metrics of single parameters of a watched model, have no charts, because there would be
        so many of them that the other metrics would be hard to find.

        Args:
            values: Values of the log call in which the metric appears first.
        """
        if is_system_metric(name):
            return None
        if name.startswith(PER_PARAMETER) and name.partition("/")[0] in values:
            return None
        if not has_main_metrics(document) or name.startswith((*_MAIN, _TEST)):
            return grouped_tag(document, name)
        if name in AXES or (name not in self._others and len(self._others) >= _MOST_OTHERS):
            return None
        self._others.add(name)
        return grouped_tag(document, name)
